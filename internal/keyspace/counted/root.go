package counted

import (
	"encoding/binary"
	"fmt"
	"math"
)

// HeightMax is how many levels a tree may have. Every interior node has two
// children or more, and those with few of them are of several KiB: no memory is
// large enough for a higher tree.
const HeightMax = 32

// Root is what leads to a tree. The zero Root is an empty tree, which has no
// nodes.
type Root struct {
	Node   uint64 // the id of the root node
	Height uint8  // how many levels
	Count  uint64 // how many entries
	NextID uint64 // of the next new node
}

// AppendTo appends the encoded root to b: the height, then the others as
// uvarints.
func (r Root) AppendTo(b []byte) []byte {
	b = append(b, r.Height)
	b = binary.AppendUvarint(b, r.Node)
	b = binary.AppendUvarint(b, r.Count)
	return binary.AppendUvarint(b, r.NextID)
}

// ParseRoot returns the root that b begins with and what is behind it.
func ParseRoot(b []byte) (Root, []byte, error) {
	if len(b) == 0 {
		return Root{}, nil, fmt.Errorf("%w: no root", ErrCorrupt)
	}
	r, b := Root{Height: b[0]}, b[1:]
	for _, field := range []*uint64{&r.Node, &r.Count, &r.NextID} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return Root{}, nil, fmt.Errorf("%w: the root is cut off", ErrCorrupt)
		}
		*field, b = v, b[n:]
	}
	return r, b, r.validate()
}

func (r Root) validate() error {
	empty := r.Height == 0
	switch {
	case r.Height > HeightMax,
		r.Count > math.MaxInt,
		empty != (r.Count == 0),
		empty && r.Node != 0,
		!empty && r.Node >= r.NextID:
		return fmt.Errorf("%w: root %+v", ErrCorrupt, r)
	}
	return nil
}
