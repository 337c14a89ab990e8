package resp

// Kind is what a reply is; its byte is the one that begins it in RESP3.
type Kind byte

// The kinds of replies. Attributes and strings that are sent in pieces, Redis does
// not use.
const (
	KindSimple    Kind = '+'
	KindError     Kind = '-'
	KindInt       Kind = ':'
	KindBulk      Kind = '$'
	KindArray     Kind = '*'
	KindNull      Kind = '_' // in RESP2 a bulk string that is not there
	KindNullArray Kind = 'N' // in RESP2 an array that is not there; RESP3 has only KindNull
	KindDouble    Kind = ','
	KindBool      Kind = '#'
	KindBigNumber Kind = '('
	KindBulkError Kind = '!'
	KindVerbatim  Kind = '='
	KindMap       Kind = '%'
	KindSet       Kind = '~'
	KindPush      Kind = '>'
)

// verbatimFormatLen is the length of the format of a KindVerbatim.
const verbatimFormatLen = 3

// Value is a reply of any kind. The zero Value is none.
type Value struct {
	Kind  Kind
	Int   int64   // of KindInt; of KindBool 1 or 0
	Float float64 // of KindDouble
	// Bytes are the text of KindSimple, of the errors, KindBulk, KindVerbatim and
	// KindBigNumber.
	Bytes  []byte
	Format string // of KindVerbatim
	// Elems are the elements of an aggregate. Those of a KindMap are keys and
	// values by turns.
	Elems []Value
}

// IsNull reports whether the reply says that there is nothing.
func (v Value) IsNull() bool { return v.Kind == KindNull || v.Kind == KindNullArray }

// IsError reports whether the reply is an error. Bytes are its message.
func (v Value) IsError() bool { return v.Kind == KindError || v.Kind == KindBulkError }

// AppendTo writes the reply, in the version of the protocol of w.
func (v Value) AppendTo(w *Writer) {
	switch v.Kind {
	case KindSimple, KindError:
		w.line(v.Kind, string(v.Bytes))
	case KindBulkError:
		w.bulkError(v.Bytes)
	case KindInt:
		w.Int(v.Int)
	case KindBulk:
		w.Bulk(v.Bytes)
	case KindVerbatim:
		w.Verbatim(v.Format, string(v.Bytes))
	case KindBigNumber:
		w.BigNumber(string(v.Bytes))
	case KindNull:
		w.Null()
	case KindNullArray:
		w.NullArray()
	case KindDouble:
		w.Double(v.Float)
	case KindBool:
		w.Bool(v.Int != 0)
	case KindMap:
		w.header(w.aggregate(KindMap, len(v.Elems)/2))
		v.appendElems(w)
	case KindArray, KindSet, KindPush:
		w.header(w.aggregate(v.Kind, len(v.Elems)))
		v.appendElems(w)
	}
}

func (v Value) appendElems(w *Writer) {
	for _, e := range v.Elems {
		e.AppendTo(w)
	}
}
