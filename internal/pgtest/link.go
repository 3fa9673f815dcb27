package pgtest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
)

// link is a connection through a proxy. Of the protocol it knows where messages
// end, what a round is made of, and which statement is which.
type link struct {
	p              *Proxy
	client, server net.Conn
	statements     map[string]string // prepared ones, by name

	mu     sync.Mutex
	rounds []Round // that the server has not answered yet
}

// message is one of the protocol, with its length and, if it has one, its type
// before it.
type message []byte

func (m message) kind() byte   { return m[0] }
func (m message) body() []byte { return m[5:] }

// read reads a message. The first one of a client has no type.
func read(from io.Reader, first bool) (message, error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[len(head)-4:])) - 4
	if n < 0 || n > 1<<30 {
		return nil, io.ErrUnexpectedEOF
	}
	m := make(message, len(head)+n)
	copy(m, head)
	_, err := io.ReadFull(from, m[len(head):])
	return m, err
}

// text splits off a text that ends with a zero.
func text(b []byte) (s string, rest []byte) {
	before, after, _ := bytes.Cut(b, []byte{0})
	return string(before), after
}

// requests passes on what the client asks, a round at a time.
func (l *link) requests() {
	defer l.p.drop(l.client, l.server)
	first, err := read(l.client, true)
	if err != nil {
		return
	}
	held := []byte(first)
	for statement := ""; ; {
		if len(held) > 0 {
			if _, err := l.server.Write(held); err != nil {
				return
			}
			held = held[:0]
		}
		for pass := false; !pass; {
			m, err := read(l.client, false)
			if err != nil {
				return
			}
			held = append(held, m...)
			switch m.kind() {
			case 'P': // Parse: a statement gets a name
				name, rest := text(m.body())
				statement, _ = text(rest)
				l.statements[name] = statement
			case 'B': // Bind: the portal, then the statement
				_, rest := text(m.body())
				name, _ := text(rest)
				statement = l.statements[name]
			case 'D', 'E', 'C': // Describe, Execute, Close: more comes
			case 'Q', 'S': // Query and Sync: the server answers
				if m.kind() == 'Q' {
					statement, _ = text(m.body())
				}
				r, cut := l.p.begins(statement)
				if cut {
					return
				}
				l.mu.Lock()
				l.rounds = append(l.rounds, r)
				l.mu.Unlock()
				statement, pass = "", true
			default: // passwords, rows of a COPY, the end
				pass = true
			}
		}
	}
}

// replies passes on what the server says, the answer to a round as a whole.
func (l *link) replies() {
	defer l.p.drop(l.client, l.server)
	var held []byte
	for started := false; ; {
		m, err := read(l.server, false)
		if err != nil {
			return
		}
		held = append(held, m...)
		switch m.kind() {
		case 'Z': // ReadyForQuery, the first one behind the password
			l.mu.Lock()
			var round []Round
			if started && len(l.rounds) > 0 {
				round, l.rounds = l.rounds[:1], l.rounds[1:]
			}
			l.mu.Unlock()
			started = true
			if len(round) > 0 && l.p.ends(round[0]) {
				return
			}
		case 'R', 'G', 'H', 'W', 'E': // the client must answer, or reads on
		default:
			continue
		}
		if _, err := l.client.Write(held); err != nil {
			return
		}
		held = held[:0]
	}
}
