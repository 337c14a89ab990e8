package benchcluster

import (
	"sync"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/procedure"
	"github.com/godwitdb/godwit/internal/shard"
)

// procedureName is what clients call a kind of transaction.
func procedureName(w bench.Workload, k bench.Kind) string { return w.Name() + "/" + w.Kinds()[k] }

// procedures are those of a workload, for clients.
func procedures(spec Workload, r *shard.Replica) (map[string]procedure.Func, error) {
	w, err := spec.New()
	if err != nil {
		return nil, err
	}
	all := map[string]procedure.Func{}
	pool := &executors{workload: w, tables: benchshard.NewLeader(r, nil)}
	for i := range w.Kinds() {
		k := bench.Kind(i)
		all[procedureName(w, k)] = func(tx *occ.Tx, argument []byte) ([]byte, error) { return pool.execute(tx, k, argument) }
	}
	return all, nil
}

// executors execute transactions, each one at a time. There are as many as there have been
// transactions at once, which the jobs of a loop bound.
type executors struct {
	workload bench.Remote
	tables   bench.Engine // which the others get them from
	mu       struct {
		sync.Mutex
		idle []bench.Executor
	}
}

func (p *executors) execute(tx *occ.Tx, k bench.Kind, argument []byte) ([]byte, error) {
	x, err := p.take()
	if err != nil {
		return nil, err
	}
	defer p.give(x)
	return x.Execute(benchshard.NewTx(tx), k, argument)
}

func (p *executors) take() (bench.Executor, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.mu.idle)
	if n == 0 {
		return p.workload.NewExecutor(p.tables)
	}
	x := p.mu.idle[n-1]
	p.mu.idle = p.mu.idle[:n-1]
	return x, nil
}

func (p *executors) give(x bench.Executor) {
	p.mu.Lock()
	p.mu.idle = append(p.mu.idle, x)
	p.mu.Unlock()
}
