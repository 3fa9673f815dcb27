package sweep

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Format is a format of pictures.
type Format string

// The formats.
const (
	SVG Format = "svg"
	PNG Format = "png" // at 144 dots per inch
)

// The size of a plot.
const (
	plotWidth  vg.Length = 640
	plotHeight vg.Length = 380
	plotDPI              = 144
)

// WriteThroughput writes a plot of the items per second against the chunk size,
// on a logarithmic axis: a line per mode and number of workers with the quartiles
// of the rounds at each point, the automatic size as a diamond at the size on which
// it settled, and the plain loop as a level. Any other format than SVG and PNG is
// an error.
func (r *Report) WriteThroughput(w io.Writer, f Format) error {
	c := r.chart()
	c.p.Title.Text = r.Job + ": throughput"
	unit, name := 1.0, "items per second"
	switch top := r.fastest(); {
	case top >= 2e6:
		unit, name = 1e6, "million items per second"
	case top >= 2e3:
		unit, name = 1e3, "thousand items per second"
	}
	c.label = "throughput (" + name + ")"
	rate := func(d time.Duration) float64 { return float64(r.Items) / d.Seconds() / unit }
	c.draw(func(row *Row) (y, low, high float64) { return rate(row.Median), rate(row.Q3), rate(row.Q1) })
	c.p.Y.Min, c.p.Y.Max = 0, c.top*1.06
	c.p.Y.Tick.Marker = plot.ConstantTicks(linearTicks(c.p.Y.Max))
	return c.write(w, f)
}

// WriteLatency writes a plot of the time from the start of a run to the delivery
// of its first result against the chunk size, both on logarithmic axes, else as
// WriteThroughput.
func (r *Report) WriteLatency(w io.Writer, f Format) error {
	c := r.chart()
	c.p.Title.Text = r.Job + ": first result"
	c.label = "time until the first result is delivered"
	c.draw(func(row *Row) (y, low, high float64) {
		y = max(float64(row.FirstItem), 1)
		return y, y, y
	})
	c.p.Y.Scale = plot.LogScale{}
	c.p.Y.Min, c.p.Y.Max = c.bottom/1.4, c.top*1.4
	c.p.Y.Tick.Marker = plot.ConstantTicks(timeTicks(c.p.Y.Min, c.p.Y.Max))
	return c.write(w, f)
}

// fastest is the highest throughput of all rows.
func (r *Report) fastest() (items float64) {
	for _, row := range r.all() {
		items = max(items, row.ItemsPerSecond)
	}
	return items
}

// chart is a plot against the chunk size, with its legend beside it.
type chart struct {
	r           *Report
	p           *plot.Plot
	legend      plot.Legend
	label       string  // of the axis upwards
	bottom, top float64 // of the values
}

func typeface(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

var (
	ink  = color.Gray{Y: 0x20}
	pale = color.Gray{Y: 0xe4}
	grey = color.Gray{Y: 0x80}
)

func (r *Report) chart() *chart {
	c := &chart{r: r, p: plot.New(), legend: plot.NewLegend(), bottom: math.Inf(1)}
	c.p.BackgroundColor = nil // write fills all of it
	c.p.Title.TextStyle.Font = typeface(14)
	c.p.Title.Padding = 8
	c.legend.TextStyle.Font = typeface(12)
	c.legend.Top, c.legend.Left, c.legend.Padding, c.legend.ThumbnailWidth = true, true, 6, 28
	for _, a := range []*plot.Axis{&c.p.X, &c.p.Y} {
		a.Label.TextStyle.Font, a.Label.Padding = typeface(12), 5
		a.Tick.Label.Font = typeface(12)
		a.Color, a.Tick.Color = ink, ink
		a.Padding = 0
	}
	c.p.X.Label.Text = "chunk size (items)"
	c.p.X.Scale = plot.LogScale{}
	var sizes []int
	low, high := math.Inf(1), 1.0
	for _, row := range r.Rows {
		at := float64(row.Settled)
		if !row.automatic() {
			at = float64(row.Chunk)
			sizes = append(sizes, row.Chunk)
		}
		if at > 0 {
			low, high = min(low, at), max(high, at)
		}
	}
	if math.IsInf(low, 1) {
		low = 1
	}
	c.p.X.Min, c.p.X.Max = low/1.35, high*1.35
	c.p.X.Tick.Marker = plot.ConstantTicks(sizeTicks(distinct(sizes), c.p.X.Min, c.p.X.Max))
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = pale, pale
	c.p.Add(grid)
	return c
}

// The Okabe-Ito colours, which those who see few colours tell apart too.
var palette = []color.Color{
	color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff},
	color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff},
	color.RGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff},
	color.RGBA{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff},
	color.RGBA{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff},
	color.RGBA{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff},
}

// styles are the dashes and points of each mode.
var styles = [...]struct {
	dashes []vg.Length
	shape  draw.GlyphDrawer
}{
	Ordered:   {nil, draw.CircleGlyph{}},
	Unordered: {[]vg.Length{6, 3}, draw.TriangleGlyph{}},
	Eager:     {[]vg.Length{2, 2}, draw.BoxGlyph{}},
}

// draw adds the report's lines: value is where a row stands and the range of its
// rounds.
func (c *chart) draw(value func(*Row) (y, low, high float64)) {
	marks := false
	for i, l := range c.r.lines() {
		hue, style := palette[i%len(palette)], styles[l.mode]
		var points spread
		for j := range l.fixed {
			points.add(float64(l.fixed[j].Chunk))(value(&l.fixed[j]))
		}
		if len(points.XYs) > 0 {
			c.line(l.name(), points, hue, style.dashes, style.shape)
		}
		if l.auto != nil && l.auto.Settled > 0 {
			var at spread
			at.add(float64(l.auto.Settled))(value(l.auto))
			c.see(at)
			mark := &plotter.Scatter{XYs: at.XYs, GlyphStyle: draw.GlyphStyle{Color: hue, Radius: 5.5, Shape: diamond{}}}
			c.p.Add(mark)
			marks = true
		}
	}
	if marks {
		c.legend.Add("automatic size", &plotter.Scatter{GlyphStyle: draw.GlyphStyle{Color: grey, Radius: 5.5, Shape: diamond{}}})
	}
	y, _, _ := value(&c.r.Baseline)
	level := &plotter.Line{
		XYs:       plotter.XYs{{X: c.p.X.Min, Y: y}, {X: c.p.X.Max, Y: y}},
		LineStyle: draw.LineStyle{Color: grey, Width: 1.3, Dashes: []vg.Length{1.5, 2.5}},
	}
	c.top, c.bottom = max(c.top, y), min(c.bottom, y)
	c.p.Add(level)
	c.legend.Add("plain loop, no pool", level)
}

func (c *chart) line(name string, points spread, hue color.Color, dashes []vg.Length, shape draw.GlyphDrawer) {
	c.see(points)
	line := &plotter.Line{XYs: points.XYs, LineStyle: draw.LineStyle{Color: hue, Width: 1.6, Dashes: dashes}}
	glyphs := &plotter.Scatter{XYs: points.XYs, GlyphStyle: draw.GlyphStyle{Color: hue, Radius: 3, Shape: shape}}
	bars := &plotter.YErrorBars{
		XYs: points.XYs, YErrors: points.errors,
		LineStyle: draw.LineStyle{Color: hue, Width: 0.8}, CapWidth: 4,
	}
	c.p.Add(line, glyphs)
	if points.ranged {
		c.p.Add(bars)
	}
	c.legend.Add(name, line, glyphs)
}

func (c *chart) see(s spread) {
	for i, p := range s.XYs {
		c.top = max(c.top, p.Y+s.errors[i].High)
		c.bottom = min(c.bottom, p.Y-s.errors[i].Low)
	}
}

// spread is points with the range of each.
type spread struct {
	plotter.XYs
	errors plotter.YErrors
	ranged bool
}

func (s *spread) add(x float64) func(y, low, high float64) {
	return func(y, low, high float64) {
		s.XYs = append(s.XYs, plotter.XY{X: x, Y: y})
		s.errors = append(s.errors, struct{ Low, High float64 }{y - low, high - y})
		s.ranged = s.ranged || low < high
	}
}

// diamond is the mark of the automatic size.
type diamond struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (diamond) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	var p vg.Path
	p.Move(vg.Point{X: pt.X, Y: pt.Y + sty.Radius})
	p.Line(vg.Point{X: pt.X + sty.Radius, Y: pt.Y})
	p.Line(vg.Point{X: pt.X, Y: pt.Y - sty.Radius})
	p.Line(vg.Point{X: pt.X - sty.Radius, Y: pt.Y})
	p.Close()
	c.SetColor(sty.Color)
	c.Fill(p)
	c.SetLineStyle(draw.LineStyle{Color: ink, Width: 1})
	c.Stroke(p)
}

// write draws the plot, with the legend to the right of it.
func (c *chart) write(w io.Writer, f Format) error {
	var canvas interface {
		vg.CanvasSizer
		io.WriterTo
	}
	switch f {
	case SVG:
		canvas = vgsvg.New(plotWidth, plotHeight)
	case PNG:
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight), vgimg.UseDPI(plotDPI))}
	default:
		return fmt.Errorf("sweep: no format %q for plots: want svg or png", f)
	}
	const margin, besideLabel = 10, 20
	area := draw.New(canvas)
	area.SetColor(color.White)
	area.Fill(area.Path())
	area = draw.Crop(area, margin, -margin, margin, -margin)
	beside := c.legend.Rectangle(area).Size().X + 3*margin
	left := draw.Crop(area, 0, -beside, 0, 0)
	c.p.Draw(draw.Crop(left, besideLabel, 0, 0, 0))
	// The plot would draw the label too, but takes its middle for that of a linear
	// axis, and makes room there.
	sty := c.p.X.Label.TextStyle
	sty.Rotation, sty.XAlign, sty.YAlign = math.Pi/2, draw.XCenter, draw.YTop
	inner := c.p.DataCanvas(left)
	left.FillText(sty, vg.Point{X: left.Min.X, Y: (inner.Min.Y + inner.Max.Y) / 2}, c.label)
	c.legend.Draw(draw.Crop(area, area.Size().X-beside+2*margin, 0, 0, -30))

	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return err
	}
	data := b.Bytes()
	if f == SVG { // fonts of the same measures, for those who do not have the first
		data = bytes.ReplaceAll(data, []byte("font-family:Liberation Sans;"),
			[]byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"))
	}
	_, err := w.Write(data)
	return err
}
