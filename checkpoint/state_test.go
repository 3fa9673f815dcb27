package checkpoint

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// sample is a state of everything.
func sample(epoch uint64) State {
	return State{
		Version: Version, Pipeline: "flights", Run: "r1", Epoch: epoch, Saved: time.Date(2026, 11, 26, 17, 0, 0, 0, time.UTC),
		Topology: Topology{"0f3a", []string{"csv flights.csv", "map parse/v1", "filter"}},
		Sources: []Source{{"flights.csv", raw(`{"delimiter":",","size":484000000}`), Progress[json.RawMessage]{
			Watermark: 1042, First: 1000, At: raw(`{"offset":88211,"record":1000}`), Done: []Range{{2000, 64}},
		}}},
		Sink: raw(`{"length":90000}`), Operators: map[string]json.RawMessage{"scan": raw(`[1,2]`)},
		Counters: map[string]int64{"read": 1106, "written": 1100, "failed": 6},
	}
}

func TestStateIsReadable(t *testing.T) {
	b, err := sample(7).Encode()
	require.NoError(t, err)
	//nolint:testifylint // the bytes are stable, not only what they mean
	assert.Equal(t, `{
  "version": 1,
  "pipeline": "flights",
  "run": "r1",
  "epoch": 7,
  "saved": "2026-11-26T17:00:00Z",
  "topology": {
    "hash": "0f3a",
    "stages": [
      "csv flights.csv",
      "map parse/v1",
      "filter"
    ]
  },
  "sources": [
    {
      "name": "flights.csv",
      "fingerprint": {
        "delimiter": ",",
        "size": 484000000
      },
      "progress": {
        "watermark": 1042,
        "first": 1000,
        "at": {
          "offset": 88211,
          "record": 1000
        },
        "done": [
          {
            "first": 2000,
            "n": 64
          }
        ]
      }
    }
  ],
  "sink": {
    "length": 90000
  },
  "operators": {
    "scan": [
      1,
      2
    ]
  },
  "counters": {
    "failed": 6,
    "read": 1106,
    "written": 1100
  }
}
`, string(b))
	back, err := Decode(b)
	require.NoError(t, err)
	assert.Equal(t, sample(7), back)
}

func TestStateProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := sample(rapid.Uint64().Draw(r, "epoch"))
		s.Pipeline = rapid.String().Draw(r, "pipeline")
		s.Topology.Stages = rapid.SliceOfN(rapid.String(), 1, 4).Draw(r, "stages")
		s.Sources[0].Progress.Watermark = rapid.Int64Range(1000, 1999).Draw(r, "watermark")
		s.Counters = rapid.MapOfN(rapid.String(), rapid.Int64Min(0), 1, 4).Draw(r, "counters")
		b, err := s.Encode()
		require.NoError(r, err)
		back, err := Decode(b)
		require.NoError(r, err)
		require.Equal(r, s, back)
		require.NoError(r, s.Compare(back))
	})
}

func TestZeroState(t *testing.T) {
	b, err := State{}.Encode()
	require.NoError(t, err)
	back, err := Decode(b)
	require.NoError(t, err)
	assert.Equal(t, State{Version: Version}, back)
}

func TestStateRefuses(t *testing.T) {
	_, err := Decode(raw(`{"version":2,"epoch":1,"later":true}`))
	require.ErrorIs(t, err, ErrVersion)
	require.EqualError(t, err, "checkpoint: state: version 2, the newest known here is 1: written by a newer version of penstock")
	for _, bad := range []string{
		``, `null`, `[]`, `{}`, `{"version":0}`, `{"version":-1}`, `{"version":1,"later":1}`, `{"version":1} x`, `{"version":1,"version":1}`,
		`{"version":1,"epoch":-1}`, `{"version":1,"counters":{"read":-1}}`, `{"version":1,"sources":[{"name":"a","progress":null}]}`,
		`{"version":1,"sources":[{"name":"a","progress":{"watermark":-1}}]}`,
		`{"version":1,"sources":[{"name":"a","progress":{"done":[{"first":5,"n":5},{"first":7,"n":5}]}}]}`,
	} {
		_, err := Decode(raw(bad))
		require.Error(t, err, bad)
	}
	s := sample(1)
	s.Sources[0].Progress.Watermark = -1
	_, err = s.Encode()
	require.EqualError(t, err, "checkpoint: state: source 1: flights.csv: first is 1000, above the watermark -1")
	s = sample(1)
	s.Sink = raw("{")
	_, err = s.Encode()
	require.Error(t, err)
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		change func(*State)
		want   []string
	}{
		{func(*State) {}, nil},
		{func(s *State) { s.Epoch, s.Run, s.Sink = 99, "r2", nil }, nil},
		{func(s *State) { s.Sources[0].Fingerprint = raw(`{ "size":484000000, "delimiter" : "," }`) }, nil},
		{func(s *State) { s.Sources[0].Fingerprint = raw(`{"size":3100,"delimiter":";"}`) }, []string{
			`source 1: flights.csv: delimiter was ",", is ";"`, `source 1: flights.csv: size was 484,000,000, is 3,100`,
		}},
		{func(s *State) { s.Sources[0].Fingerprint = raw(`{"size":484000000,"delimiter":",","head":"ab"}`) },
			[]string{`source 1: flights.csv: head is "ab", was not there`}},
		{func(s *State) { s.Sources[0].Fingerprint = nil },
			[]string{`source 1: flights.csv: fingerprint was {"delimiter":",","size":484000000}, is not there`}},
		{func(s *State) { s.Sources[0].Name = "b.csv" }, []string{`source 1: was flights.csv, is b.csv`}},
		{func(s *State) { s.Sources = append(s.Sources, Source{Name: "b.csv"}) }, []string{`source 2: b.csv: is new`}},
		{func(s *State) { s.Sources = nil }, []string{`source 1: flights.csv: is gone`}},
		{func(s *State) { s.Pipeline = "x" }, []string{`the pipeline was "flights", is "x"`}},
		{func(s *State) { s.Topology.Hash = "ff" },
			[]string{`the stages have the same names but other settings: their hash was 0f3a, is ff`}},
		{func(s *State) { s.Topology = Topology{"1", []string{"csv flights.csv", "map parse/v2", "filter"}} },
			[]string{`stage 2: was "map parse/v1", is "map parse/v2"`}},
		{func(s *State) { s.Topology = Topology{"1", []string{"csv flights.csv", "filter"}} }, []string{`stage 2: "map parse/v1": gone`}},
		{func(s *State) { s.Topology.Stages = append(s.Topology.Stages, "scan", "take") }, []string{`stages 4 to 5: "scan", "take": new`}},
	} {
		now := sample(7)
		c.change(&now)
		err := sample(7).Compare(now)
		if c.want == nil {
			require.NoError(t, err)
			continue
		}
		var changed *ChangedError
		require.ErrorAs(t, err, &changed)
		assert.Equal(t, c.want, changed.Differences)
		assert.ErrorContains(t, err, c.want[0])
	}
}

func TestPack(t *testing.T) {
	type position struct {
		Offset int64 `json:"offset"`
	}
	p := Progress[position]{Watermark: 5, First: 3, At: position{77}, Done: []Range{{9, 1}}}
	packed, err := Pack(p)
	require.NoError(t, err)
	assert.JSONEq(t, `{"offset":77}`, string(packed.At))
	back, err := Unpack[position](packed)
	require.NoError(t, err)
	assert.Equal(t, p, back)
	packed.At = raw(`{"other":1}`)
	_, err = Unpack[position](packed)
	require.ErrorContains(t, err, "checkpoint: position of record 3: ")
	back, err = Unpack[position](Progress[json.RawMessage]{})
	require.NoError(t, err)
	assert.Zero(t, back)
	_, err = Pack(Progress[func()]{})
	require.Error(t, err)
}

func FuzzDecode(f *testing.F) {
	b, err := sample(7).Encode()
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"version":1,"sources":[{"name":"a","fingerprint":{"a":{"b":1e400}},"progress":{"watermark":1}}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err != nil {
			return
		}
		require.NoError(t, s.Compare(s)) //nolint:gocritic // a state fits itself
		b, err := s.Encode()
		require.NoError(t, err)
		back, err := Decode(b)
		require.NoError(t, err)
		require.NoError(t, s.Compare(back))
		require.Equal(t, s.Epoch, back.Epoch)
	})
}
