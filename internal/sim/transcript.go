package sim

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// Logf writes a line of the transcript, if there is one.
func (w *World) Logf(format string, args ...any) {
	if w.out != nil {
		fmt.Fprintf(w.out, "%12.6f %s\n", w.now.Seconds(), fmt.Sprintf(format, args...))
	}
}

// Serves says by which Endpoint a node serves others, so that transcripts can say
// what is in frames.
func (n *Node) Serves(e *quorum.Endpoint) { n.endpoint = e }

// describe says for a transcript what a frame is that this end of a connection
// sends. It is decoded by the Endpoint that serves the connection, which knows
// its methods.
func (c *conn) describe(frame []byte) string {
	server, client := c, c.other
	if c.dialled {
		server, client = c.other, c
	}
	e := server.node().endpoint
	if e == nil {
		return fmt.Sprintf("%d bytes", len(frame))
	}
	i := e.Inspect(frame, 0)
	if i.Method != 0 {
		if client.asked == nil {
			client.asked = map[uint64]uint64{}
		}
		client.asked[i.Call] = i.Method
	} else if method, ok := client.asked[i.Call]; ok {
		i = e.Inspect(frame, method)
	}
	switch {
	case i.Text != "" && i.Name != "":
		return fmt.Sprintf("%s %s #%d: %s", i.Name, i.Kind, i.Call, i.Text)
	case i.Text != "":
		return fmt.Sprintf("%s: %s", i.Kind, i.Text)
	case i.Body != nil:
		return fmt.Sprintf("%s %s #%d %s", i.Name, i.Kind, i.Call, c.net.n.w.show(reflect.ValueOf(i.Body)))
	}
	return fmt.Sprintf("%s #%d, %d bytes", i.Kind, i.Call, len(frame))
}

// elementsMax is how many elements of a list, or bytes, a transcript shows.
const elementsMax = 8

// show writes a message with the names of its fields, without those that are
// zero.
func (w *World) show(v reflect.Value) string {
	if v.Type() == reflect.TypeFor[env.NodeID]() {
		return fmt.Sprintf("n%d", v.Uint())
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return w.show(v.Elem())
	case reflect.Struct:
		var fields []string
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				fields = append(fields, v.Type().Field(i).Name+" "+w.show(f))
			}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return w.showBytes(v.Bytes())
		}
		var elements []string
		for i := range min(v.Len(), elementsMax) {
			elements = append(elements, w.show(v.Index(i)))
		}
		if more := v.Len() - elementsMax; more > 0 {
			elements = append(elements, fmt.Sprintf("and %d more", more))
		}
		return "[" + strings.Join(elements, " ") + "]"
	}
	return fmt.Sprint(v)
}

func (w *World) showBytes(b []byte) string {
	if w.Show != nil {
		if text := w.Show(b); text != "" {
			return text
		}
	}
	if len(b) > elementsMax {
		return fmt.Sprintf("%x... of %d bytes", b[:elementsMax], len(b))
	}
	return fmt.Sprintf("%x", b)
}
