package demo

import (
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/godwitdb/godwit"
)

// screen is where a demo tells what happens: lines that stay, and below them, on a terminal, one that is
// written again and again.
type screen struct {
	out  io.Writer
	end  string // of a line
	live bool
	last string // the line that is there
}

// eraseLine puts a terminal's cursor to the start of an empty line.
const eraseLine = "\r\x1b[K"

// say writes a line that stays, or several.
func (s *screen) say(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", s.end) + s.end
	if s.live {
		text = eraseLine + text + s.last
	}
	_, _ = io.WriteString(s.out, text) // a screen that is gone is no reason to end
}

// show writes the line that changes.
func (s *screen) show(line string) {
	if !s.live || line == s.last {
		return
	}
	s.last = line
	_, _ = io.WriteString(s.out, eraseLine+line)
}

// meterSpan is the time over which a rate is taken.
const meterSpan = time.Second

// meter makes a rate of a count.
type meter struct {
	node  godwit.NodeID // whose count
	at    time.Time
	count uint64
	last  float64
}

// rate returns how much the count has grown in a second; it is a new one every meterSpan.
func (m *meter) rate(now time.Time, node godwit.NodeID, count uint64) float64 {
	if node != m.node || count < m.count {
		*m = meter{node: node, at: now, count: count}
		return 0
	}
	if since := now.Sub(m.at); since >= meterSpan {
		m.last = float64(count-m.count) / since.Seconds()
		m.at, m.count = now, count
	}
	return m.last
}

// port returns the port of an address.
func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}
