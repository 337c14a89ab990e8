package quorum

import "fmt"

// FrameInfo is what a frame on a connection says.
type FrameInfo struct {
	Kind   string  // hello, request, reply or failure
	Call   uint64  // which call a request, reply or failure is of
	Method uint64  // of a request
	Name   string  // of the method
	Body   Message // of a request or a reply
	Text   string  // instead of a body: who says hello, or why a call failed
}

// Inspect decodes a frame of a connection to the Endpoint, for transcripts: a
// request to a method that it serves, or a reply to one. method is that of the
// request to which the frame is the reply. What cannot be decoded has no Body.
func (e *Endpoint) Inspect(data []byte, method uint64) FrameInfo {
	f, n, err := readFrame(data, e.options.FrameBytesMax)
	if err != nil || n != len(data) {
		return FrameInfo{Kind: "bad frame"}
	}
	i := FrameInfo{Call: f.number}
	switch f.kind {
	case frameHello:
		return FrameInfo{Kind: "hello", Text: fmt.Sprintf("n%d", f.number)}
	case frameFailure:
		i.Kind, i.Text = "failure", string(f.payload)
	case frameReply:
		i.Kind = "reply"
	case frameRequest:
		i.Kind, i.Method = "request", f.method
		method = f.method
	}
	h, ok := e.methods[method]
	if !ok {
		return i
	}
	i.Name = h.name
	if f.kind == frameFailure {
		return i
	}
	body := h.empty(f.kind == frameReply)
	if Decode(f.payload, body) == nil {
		i.Body = body
	}
	return i
}
