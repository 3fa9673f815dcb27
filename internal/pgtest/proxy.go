package pgtest

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Round is a statement on its way to the server, or what else a client asks and
// waits for an answer to.
type Round struct {
	N   int    // counts the rounds of all connections of a Proxy, from 1
	SQL string // of the statement that it makes or executes
}

// Commits reports whether it ends a transaction.
func (r Round) Commits() bool { return strings.EqualFold(strings.TrimSpace(r.SQL), "commit") }

// Proxy stands between clients and the server, and can cut them off from each other
// between a statement and the reply to it. It speaks no TLS.
type Proxy struct {
	config   *pgx.ConnConfig
	listener net.Listener
	all      sync.WaitGroup // of goroutines

	mu            sync.Mutex
	before, after func(Round) bool
	n             int
	open          map[net.Conn]bool
	closed        bool
}

// NewProxy makes a proxy in front of the server of config. It is closed, with all its
// connections, when the test ends.
func NewProxy(tb testing.TB, config *pgx.ConnConfig) *Proxy {
	tb.Helper()
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	p := &Proxy{config: config, listener: listener, open: make(map[net.Conn]bool)}
	p.all.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// Hook has before called before a round reaches the server, and after once the server
// has done it, before the reply reaches the client. Where they return true, both sides
// find the connection closed. They are called one at a time; nil returns false.
func (p *Proxy) Hook(before, after func(Round) (cut bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.after = before, after
}

// Config says how to connect through the proxy.
func (p *Proxy) Config() *pgx.ConnConfig {
	through := p.config.Copy()
	through.Host, through.Fallbacks = "127.0.0.1", nil
	through.Port = uint16(p.listener.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // it listens on TCP
	return through
}

// Count is how many rounds there were.
func (p *Proxy) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// URL is how to connect, for a process that is told in its environment.
func URL(config *pgx.ConnConfig) string {
	values := url.Values{"sslmode": {"disable"}}
	for name, value := range config.RuntimeParams {
		values.Set(name, value)
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(config.User, config.Password), Path: "/" + config.Database,
		Host: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), RawQuery: values.Encode(),
	}
	return u.String()
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	for conn := range p.open {
		_ = conn.Close() // whoever uses it finds out
	}
	p.mu.Unlock()
	_ = p.listener.Close()
	p.all.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // it was closed
		}
		var dialer net.Dialer
		server, err := dialer.DialContext(context.Background(), "tcp", net.JoinHostPort(p.config.Host, strconv.Itoa(int(p.config.Port))))
		if err != nil { // the server is down: so is the connection
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		l := &link{p: p, client: client, server: server, statements: make(map[string]string)}
		p.all.Go(l.requests)
		p.all.Go(l.replies)
	}
}

// keep notes open connections, unless the proxy was closed.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
			continue
		}
		p.open[c] = true
	}
	return !p.closed
}

// drop closes connections.
func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.open, c)
	}
}

// begins counts a round that is about to reach the server.
func (p *Proxy) begins(statement string) (r Round, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	r = Round{p.n, statement}
	return r, p.before != nil && p.before(r)
}

// ends tells of a round that the server has done.
func (p *Proxy) ends(r Round) (cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.after != nil && p.after(r)
}
