package script

// Kind says what a Value is; the first six exist in RESP2, all in RESP3.
type Kind uint8

const (
	KindNil Kind = iota
	KindInt
	KindBulk
	KindStatus
	KindError
	KindArray
	KindDouble
	KindBool
	KindMap
	KindSet
	KindBigNumber
	KindVerbatim
)

// Value is a reply, of a command to a script or of a script to its client.
type Value struct {
	Kind   Kind
	Int    int64   // KindInt; KindBool: 1 is true
	Double float64 // KindDouble
	// Str is the text of KindBulk, KindStatus, KindError (code first, no '-'),
	// KindBigNumber and KindVerbatim (as on the wire: three bytes of format, a
	// colon, the text).
	Str []byte
	// Elems are the elements of KindArray and KindSet, and the keys and values
	// of KindMap in turn.
	Elems []Value
}

func errorValue(text string) Value { return Value{Kind: KindError, Str: []byte(text)} }
