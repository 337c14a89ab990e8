package tpcc

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// The scale of clause 4.3.3 and 1.2.1.
const (
	// DefaultItems is the number of items, the same for all warehouses, and of
	// stock rows per warehouse.
	DefaultItems = 100_000
	// DefaultCustomers is the number of customers per district, of initial
	// orders per district and of history rows.
	DefaultCustomers = 3000

	districts     = 10
	lastNames     = 1000
	orderLinesMin = 5
	orderLinesMax = 15
	warehousesMax = 1<<16 - 1
	// customersMax is what the key of the index of orders has room for.
	customersMax = 1<<12 - 1
	itemsMax     = 1 << 24

	// What the inputs are drawn from (2.4.1.5, 2.7.1.2, 2.8.1.2).
	quantityMax  = 10
	carriers     = 10
	thresholdMin = 10
	thresholdMax = 20
)

// Config is a size and a physical design of the database.
type Config struct {
	// Warehouses is the scale, at least 1. Give each session one of its own.
	Warehouses int
	// Items and Customers (per district) are the specified ones if 0. Anything
	// else is for tests.
	Items, Customers int
	// KeyTables is the kind of the tables that are only read by key: warehouse,
	// district, customer, item, stock, stock_info.
	KeyTables bench.TableKind
	// Seed starts the random numbers of the population and the constants of
	// NURand.
	Seed uint64
}

// withDefaults returns c with the specified scale where it has none.
func (c Config) withDefaults() Config {
	if c.Items == 0 {
		c.Items = DefaultItems
	}
	if c.Customers == 0 {
		c.Customers = DefaultCustomers
	}
	return c
}

// Validate reports everything that is wrong with c.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	if c.Warehouses < 1 || c.Warehouses > warehousesMax {
		errs = append(errs, fmt.Errorf("tpcc: %d warehouses, not 1..%d", c.Warehouses, warehousesMax))
	}
	if c.Items < orderLinesMax || c.Items > itemsMax {
		errs = append(errs, fmt.Errorf("tpcc: %d items, not %d..%d", c.Items, orderLinesMax, itemsMax))
	}
	if c.Customers < 10 || c.Customers > customersMax {
		errs = append(errs, fmt.Errorf("tpcc: %d customers per district, not 10..%d", c.Customers, customersMax))
	}
	return errors.Join(errs...)
}

// firstUndelivered is the lowest initial order that is not delivered yet: 2101 of
// 3000.
func (c Config) firstUndelivered() orderID { return orderID(c.Customers*7/10) + 1 }

// lastNames is the number of different last names.
func (c Config) lastNames() int { return min(lastNames, c.Customers) }
