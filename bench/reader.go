package bench

import "bytes"

// readChunk is how many rows a Reader takes per transaction: a check may read
// tens of millions, and an engine remembers what a transaction has read.
const readChunk = 4096

// Reader is a session that reads whole tables for a check, in many transactions.
// Nothing else may write meanwhile.
type Reader struct {
	Session
	table    Table
	from, to []byte
	// buffer holds copies of a chunk's keys and values, whose ends are in ends.
	buffer []byte
	ends   []int
	scan   func(Tx) error
	row    func(key, value []byte) bool

	keys, values [][]byte
	get          func(Tx) error
}

// NewReader returns a reader on s.
func NewReader(s Session) *Reader {
	r := &Reader{Session: s}
	r.scan, r.row, r.get = r.scanChunk, r.takeRow, r.getAll
	return r
}

// Scan calls each for the pairs of from <= key < to in order until it returns an
// error. The slices are valid during the call.
func (r *Reader) Scan(t Table, from, to []byte, each func(key, value []byte) error) error {
	r.table, r.from, r.to = t, bytes.Clone(from), to
	for {
		if _, err := r.View(r.scan); err != nil {
			return err
		}
		at, last := 0, []byte(nil)
		for i := 0; i < len(r.ends); i += 2 {
			key, value := r.buffer[at:r.ends[i]], r.buffer[r.ends[i]:r.ends[i+1]]
			if err := each(key, value); err != nil {
				return err
			}
			at, last = r.ends[i+1], key
		}
		if len(r.ends) < 2*readChunk {
			return nil
		}
		r.from = append(append(r.from[:0], last...), 0)
	}
}

func (r *Reader) scanChunk(tx Tx) error {
	r.buffer, r.ends = r.buffer[:0], r.ends[:0]
	return tx.Scan(r.table, r.from, r.to, false, readChunk, r.row)
}

func (r *Reader) takeRow(key, value []byte) bool {
	r.buffer = append(r.buffer, key...)
	r.ends = append(r.ends, len(r.buffer))
	r.buffer = append(r.buffer, value...)
	r.ends = append(r.ends, len(r.buffer))
	return true
}

// GetMany returns the values of keys, nil where there is none, in one
// transaction. They are valid until the next call.
func (r *Reader) GetMany(t Table, keys [][]byte) ([][]byte, error) {
	r.table, r.keys = t, keys
	if len(r.values) < len(keys) {
		r.values = make([][]byte, len(keys))
	}
	_, err := r.View(r.get)
	return r.values[:len(keys)], err
}

func (r *Reader) getAll(tx Tx) error {
	values := r.values[:len(r.keys)]
	if err := tx.GetMany(r.table, r.keys, values); err != nil {
		return err
	}
	for i, v := range values {
		if v != nil {
			values[i] = append(make([]byte, 0, len(v)), v...)
		}
	}
	return nil
}
