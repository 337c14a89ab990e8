package quorum

import (
	"encoding/binary"
	"fmt"
)

// FrameBytes returns the length of the frame that data begins with, for those who
// want to know where it ends; 0 if data does not hold that much of it, or no frame.
func FrameBytes(data []byte) int {
	size := 0
	if len(data) >= headBytes {
		size = int(binary.LittleEndian.Uint32(data))
	}
	if size < bodyBytesMin {
		return 0
	}
	return headBytes + size
}

// FrameInfo is what a frame on a connection says.
type FrameInfo struct {
	Kind   string  // hello, welcome, refusal, request, reply, failure, probe or alive
	Call   uint64  // which call a request, reply or failure is of
	Method uint64  // of a request
	Name   string  // of the method
	Body   Message // of a request or a reply
	Text   string  // instead of a body: who says hello or welcome, or why a call failed
}

// Inspect decodes a frame of a connection to the Endpoint, for transcripts: a
// request to a method that it serves, or a reply to one. method is that of the
// request to which the frame is the reply. What cannot be decoded has no Body.
func (e *Endpoint) Inspect(data []byte, method uint64) FrameInfo {
	if FrameBytes(data) != len(data) {
		return FrameInfo{Kind: "bad frame"}
	}
	f, err := readBody(data[headBytes:])
	if err != nil {
		return FrameInfo{Kind: "bad frame"}
	}
	i := FrameInfo{Call: f.number}
	switch f.kind {
	case frameHello:
		return FrameInfo{Kind: "hello", Text: fmt.Sprintf("n%d", f.number)}
	case frameWelcome:
		return FrameInfo{Kind: "welcome", Text: fmt.Sprintf("n%d", f.number)}
	case frameRefusal:
		return FrameInfo{Kind: "refusal", Text: readRefusal(NodeID(f.number), &f).Text}
	case frameProbe:
		return FrameInfo{Kind: "probe"}
	case frameAlive:
		return FrameInfo{Kind: "alive"}
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
