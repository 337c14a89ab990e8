package command

import (
	"bytes"
	"strconv"

	"github.com/godwitdb/godwit/internal/resp"
	"github.com/godwitdb/godwit/internal/script"
)

// decodeValue reads the reply that a command has written for a script, and returns what comes behind it. The value refers
// to the bytes.
func decodeValue(b []byte) (v script.Value, rest []byte) {
	kind := resp.Kind(b[0])
	line, rest, _ := bytes.Cut(b[1:], []byte("\r\n"))
	switch kind {
	case resp.KindSimple:
		return script.Value{Kind: script.KindStatus, Str: line}, rest
	case resp.KindError:
		return script.Value{Kind: script.KindError, Str: line}, rest
	case resp.KindBigNumber:
		return script.Value{Kind: script.KindBigNumber, Str: line}, rest
	case resp.KindInt:
		return script.Value{Kind: script.KindInt, Int: lineInt(line)}, rest
	case resp.KindDouble:
		f, _ := strconv.ParseFloat(string(line), 64)
		return script.Value{Kind: script.KindDouble, Double: f}, rest
	case resp.KindBool:
		v = script.Value{Kind: script.KindBool}
		if line[0] == 't' {
			v.Int = 1
		}
		return v, rest
	case resp.KindNull:
		return script.Value{}, rest
	}
	n := lineInt(line)
	if n < 0 {
		return script.Value{}, rest
	}
	switch kind {
	case resp.KindBulk:
		return script.Value{Kind: script.KindBulk, Str: rest[:n]}, rest[n+2:]
	case resp.KindVerbatim:
		return script.Value{Kind: script.KindVerbatim, Str: rest[:n]}, rest[n+2:]
	case resp.KindMap:
		v.Kind = script.KindMap
		n *= 2
	case resp.KindSet:
		v.Kind = script.KindSet
	default:
		v.Kind = script.KindArray
	}
	v.Elems = make([]script.Value, n)
	for i := range v.Elems {
		v.Elems[i], rest = decodeValue(rest)
	}
	return v, rest
}

func lineInt(line []byte) int64 {
	n, _ := strconv.ParseInt(string(line), 10, 64)
	return n
}

// appendValue replies with what a script returns.
func appendValue(w *resp.Writer, v script.Value) {
	switch v.Kind {
	case script.KindNil:
		w.Null()
	case script.KindInt:
		w.Int(v.Int)
	case script.KindBulk:
		w.Bulk(v.Str)
	case script.KindStatus:
		w.SimpleString(string(v.Str))
	case script.KindError:
		w.Error(string(v.Str))
	case script.KindDouble:
		w.Double(v.Double)
	case script.KindBool:
		w.Bool(v.Int != 0)
	case script.KindBigNumber:
		w.BigNumber(string(v.Str))
	case script.KindVerbatim:
		w.Verbatim(string(v.Str[:3]), string(v.Str[4:]))
	case script.KindArray:
		w.Array(len(v.Elems))
	case script.KindSet:
		w.Set(len(v.Elems))
	case script.KindMap:
		w.Map(len(v.Elems) / 2)
	}
	for _, e := range v.Elems {
		appendValue(w, e)
	}
}
