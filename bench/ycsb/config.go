package ycsb

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// Mix is one of the workloads.
type Mix string

// The workloads.
const (
	A        Mix = "a"
	B        Mix = "b"
	C        Mix = "c"
	D        Mix = "d"
	E        Mix = "e"
	F        Mix = "f"
	PlusPlus Mix = "++"
)

// Distribution is how keys are chosen.
type Distribution string

// The distributions.
const (
	Uniform Distribution = "uniform"
	// Zipfian prefers few records, which are scattered over all.
	Zipfian Distribution = "zipfian"
	// Latest prefers the records that were inserted last.
	Latest Distribution = "latest"
)

// KeyFormat is what a record's number becomes.
type KeyFormat string

// The formats.
const (
	// UserKeys are "user" and the decimal hash of the number, up to 23 bytes,
	// scattered.
	UserKeys KeyFormat = "user"
	// BinaryKeys are the number in 8 bytes, big-endian, in order.
	BinaryKeys KeyFormat = "binary"
)

const (
	// DefaultTheta is the original's skew.
	DefaultTheta = 0.99
	// DefaultRecords is how many records are loaded.
	DefaultRecords = 1_000_000

	plusPlusKeys   = 4
	scanMax        = 100
	recordBytesMax = 1 << 20
	keysMax        = 64
	aheadMax       = 64
)

// Config is a workload and its settings. Start from For.
type Config struct {
	Mix     Mix
	Records int
	// Fields of FieldBytes each make up a record.
	Fields, FieldBytes int
	Distribution       Distribution
	// Theta is the skew of Zipfian and Latest, above 0 and below 1.
	Theta  float64
	Keys   KeyFormat
	Table  bench.TableKind
	PerTxn int // keys per transaction, YCSB++ only
	// OneByOne reads the keys of a transaction with one Get each.
	OneByOne bool
	// Ahead is how many transactions of a session are drawn in advance, for their
	// records to be fetched from memory meanwhile; 0 draws each when it is run.
	Ahead int
	Seed  uint64
}

// For returns the settings that define a workload.
func For(m Mix) Config {
	c := Config{
		Mix: m, Records: DefaultRecords, Fields: 10, FieldBytes: 100,
		Distribution: Zipfian, Theta: DefaultTheta, Keys: UserKeys, Table: bench.Ordered, PerTxn: 1,
	}
	if m == D {
		c.Distribution = Latest
	}
	if m == PlusPlus {
		c.Fields, c.PerTxn, c.Distribution, c.Keys = 1, plusPlusKeys, Uniform, BinaryKeys
	}
	return c
}

// Validate reports everything that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("ycsb: "+format, args...))
		}
	}
	_, known := c.Mix.definition()
	wrong(!known, "no workload %q", string(c.Mix))
	wrong(c.PerTxn < 1 || c.PerTxn > keysMax, "%d keys per transaction, not 1..%d", c.PerTxn, keysMax)
	wrong(c.Mix != PlusPlus && c.PerTxn != 1, "workload %s has one operation per transaction", string(c.Mix))
	wrong(c.Records < 2*keysMax, "%d records, fewer than %d", c.Records, 2*keysMax)
	wrong(c.Fields < 1 || c.FieldBytes < fieldBytesMin, "%d fields of %d bytes; at least 1 of %d", c.Fields, c.FieldBytes, fieldBytesMin)
	wrong(c.Fields*c.FieldBytes > recordBytesMax, "records of more than %d bytes", recordBytesMax)
	wrong(c.Distribution != Uniform && c.Distribution != Zipfian && c.Distribution != Latest, "no distribution %q", string(c.Distribution))
	wrong(!(c.Theta > 0 && c.Theta < 1), "theta %v is not between 0 and 1", c.Theta)
	wrong(c.Keys != UserKeys && c.Keys != BinaryKeys, "no key format %q", string(c.Keys))
	wrong(c.Ahead < 0 || c.Ahead > aheadMax, "%d transactions ahead, not 0..%d", c.Ahead, aheadMax)
	wrong(c.Ahead > 0 && c.Mix != PlusPlus, "only ycsb++ draws transactions ahead")
	wrong(c.Mix == E && c.Table == bench.Hashed, "workload e scans, which a hash table cannot")
	return errors.Join(errs...)
}

// operation is what a transaction does.
type operation uint8

const (
	opRead operation = iota
	opUpdate
	opInsert
	opScan
	opReadModifyWrite
)

// mix is a workload's two kinds of transactions; the first has so many in a
// hundred.
type mix struct {
	ops   [2]operation
	first uint64
}

// definition returns what a workload does, false if there is no such workload.
func (m Mix) definition() (mix, bool) {
	switch m {
	case A:
		return mix{[2]operation{opRead, opUpdate}, 50}, true
	case B:
		return mix{[2]operation{opRead, opUpdate}, 95}, true
	case C:
		return mix{[2]operation{opRead, opRead}, 100}, true
	case D:
		return mix{[2]operation{opRead, opInsert}, 95}, true
	case E:
		return mix{[2]operation{opScan, opInsert}, 95}, true
	case F, PlusPlus:
		return mix{[2]operation{opRead, opReadModifyWrite}, 50}, true
	}
	return mix{}, false
}

// String names an operation in reports.
func (o operation) String() string {
	return [...]string{"read", "update", "insert", "scan", "read-modify-write"}[o]
}

// readOnly tells whether an operation only reads.
func (o operation) readOnly() bool { return o == opRead || o == opScan }
