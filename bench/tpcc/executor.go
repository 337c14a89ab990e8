package tpcc

import (
	"encoding/binary"
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// executor executes transactions, one at a time.
type executor struct {
	config Config
	t      *tables
	input  *input // that of the transactions below
	fns    [kinds]func(bench.Tx) error

	newOrder    newOrder
	payment     payment
	orderStatus orderStatus
	delivery    delivery
	stockLevel  stockLevel
}

func newExecutor(c Config, t *tables) *executor {
	x := &executor{config: c, t: t}
	x.newOrder.x = x
	x.payment.x = x
	x.payment.find.bind(x)
	x.orderStatus.bind(x)
	x.delivery.bind(x)
	x.stockLevel.bind(x)
	x.input = &input{&x.newOrder.newOrderInput, &x.payment.paymentInput, &x.orderStatus.customer, &x.delivery.deliveryInput, &x.stockLevel.stockLevelInput}
	x.fns = [kinds]func(bench.Tx) error{
		x.newOrder.procedure, x.payment.procedure, x.orderStatus.procedure, x.delivery.procedure, x.stockLevel.procedure,
	}
	return x
}

// prepare returns the transaction that the input says.
func (x *executor) prepare(k bench.Kind) func(bench.Tx) error {
	if k == kindNewOrder {
		x.newOrder.prepare()
	}
	return x.fns[k]
}

// Execute implements bench.Executor. The answer is one number of what a terminal shows:
// the order, the customer, the orders that were delivered, or the items that are short.
func (x *executor) Execute(tx bench.Tx, k bench.Kind, request []byte) ([]byte, error) {
	if k < 0 || k >= kinds {
		return nil, fmt.Errorf("tpcc: no transaction %d", k)
	}
	if err := x.input.decode(x.config, k, request); err != nil {
		return nil, err
	}
	if err := x.prepare(k)(tx); err != nil {
		return nil, err
	}
	return binary.AppendUvarint(nil, x.shown(k)), nil
}

// shown returns a number of the result.
func (x *executor) shown(k bench.Kind) uint64 {
	switch k {
	case kindNewOrder:
		return uint64(x.newOrder.order)
	case kindPayment:
		return uint64(x.payment.find.found)
	case kindOrderStatus:
		return uint64(x.orderStatus.lastOrder)
	case kindDelivery:
		return uint64(x.delivery.count)
	}
	return uint64(x.stockLevel.low)
}
