package main

import (
	"fmt"
	"strings"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/tpcc"
	"github.com/godwitdb/godwit/bench/ycsb"

	"github.com/spf13/cobra"
)

// tableFlag is a --table flag: ordered or hash.
type tableFlag struct{ kind *bench.TableKind }

// String implements pflag.Value.
func (f tableFlag) String() string {
	if f.kind == nil {
		return ""
	}
	return f.kind.String()
}

// Set implements pflag.Value.
func (f tableFlag) Set(name string) error {
	for _, kind := range []bench.TableKind{bench.Ordered, bench.Hashed} {
		if name == kind.String() {
			*f.kind = kind
			return nil
		}
	}
	return fmt.Errorf("not %s or %s", bench.Ordered, bench.Hashed)
}

// Type implements pflag.Value.
func (f tableFlag) Type() string { return "kind" }

func newTPCCCommand() *cobra.Command {
	var o benchOptions
	c := tpcc.Config{KeyTables: bench.Hashed}
	cmd := &cobra.Command{
		Use:   "tpcc",
		Short: "TPC-C: the full mix of five transactions, checked by clause 3.3.2",
		Long: `Runs the full mix of TPC-C (revision 5.11): 45 % New-Order, 43 % Payment, 4 % each
of Order-Status, Delivery and Stock-Level, without think times, each session on a
warehouse of its own. It is no audited result.
` + benchSubject,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Warehouses == 0 {
				c.Warehouses = o.sessions()
			}
			c.Seed = o.seed
			w, err := tpcc.New(c)
			if err != nil {
				return usageError(err)
			}
			return o.run(cmd, w)
		},
	}
	cmd.Flags().IntVar(&c.Warehouses, "warehouses", 0, "scale; default one per session")
	cmd.Flags().Var(tableFlag{&c.KeyTables}, "table", "kind of the tables that are only read by key: ordered or hash")
	cmd.Flags().IntVar(&c.Items, "items", tpcc.DefaultItems, "items and stock rows per warehouse; any other number is not TPC-C")
	cmd.Flags().IntVar(&c.Customers, "customers", tpcc.DefaultCustomers, "customers per district; any other number is not TPC-C")
	o.flags(cmd)
	return cmd
}

func newYCSBCommand() *cobra.Command {
	var (
		o            benchOptions
		name         string
		distribution string
		keys         string
	)
	defaults := ycsb.For(ycsb.A)
	c := defaults
	cmd := &cobra.Command{
		Use:   "ycsb",
		Short: "YCSB A to F: one operation per transaction",
		Long: `Runs one of the workloads of YCSB:

  a   50 % read, 50 % update            d   95 % read of the latest, 5 % insert
  b   95 % read, 5 % update             e   95 % scan of 1 to 100, 5 % insert
  c  100 % read                         f   50 % read, 50 % read-modify-write
` + benchSubject,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Mix, c.Seed = ycsb.Mix(strings.ToLower(name)), o.seed
			c.Distribution = ycsb.For(c.Mix).Distribution
			if distribution != "" {
				c.Distribution = ycsb.Distribution(distribution)
			}
			c.Keys = ycsb.KeyFormat(keys)
			return o.runYCSB(cmd, c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "workload", "a", "a, b, c, d, e or f")
	f.IntVar(&c.Records, "records", defaults.Records, "records loaded")
	f.IntVar(&c.Fields, "fields", defaults.Fields, "fields per record; a record is one value")
	f.IntVar(&c.FieldBytes, "field-bytes", defaults.FieldBytes, "bytes per field")
	f.StringVar(&distribution, "distribution", "", "uniform, zipfian or latest; default the workload's own")
	f.Float64Var(&c.Theta, "theta", defaults.Theta, "skew of zipfian and latest")
	f.StringVar(&keys, "keys", string(defaults.Keys), "user: \"user\" and a hash; binary: 8 bytes")
	f.Var(tableFlag{&c.Table}, "table", "kind of the table: ordered or hash")
	o.flags(cmd)
	return cmd
}

func newYCSBPlusPlusCommand() *cobra.Command {
	var (
		o     benchOptions
		theta float64
	)
	c := ycsb.For(ycsb.PlusPlus)
	cmd := &cobra.Command{
		Use:   "ycsb++",
		Short: "YCSB++: four keys per transaction, half of them read-modify-write",
		Long: `Runs transactions on four different keys of 8 bytes: half read them, half read and
write all of them.
` + benchSubject,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Seed = o.seed
			if theta != 0 {
				c.Distribution, c.Theta = ycsb.Zipfian, theta
			}
			return o.runYCSB(cmd, c)
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.Records, "records", c.Records, "records loaded")
	f.IntVar(&c.FieldBytes, "value-bytes", c.FieldBytes, "bytes per value")
	f.Float64Var(&theta, "theta", 0, "zipfian skew, above 0 and below 1; 0 is uniform")
	f.IntVar(&c.PerTxn, "keys", c.PerTxn, "keys per transaction")
	f.Var(tableFlag{&c.Table}, "table", "kind of the table: ordered or hash")
	f.IntVar(&c.Ahead, "ahead", 0, "transactions that a session draws in advance, to fetch their records from memory; 2 is best, for hash tables")
	f.BoolVar(&c.OneByOne, "one-by-one", false, "read with one Get per key instead of one GetMany")
	o.flags(cmd)
	return cmd
}

func (o *benchOptions) runYCSB(cmd *cobra.Command, c ycsb.Config) error {
	w, err := ycsb.New(c)
	if err != nil {
		return usageError(err)
	}
	return o.run(cmd, w)
}
