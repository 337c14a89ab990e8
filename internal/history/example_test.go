package history_test

import (
	"fmt"

	"github.com/godwitdb/godwit/internal/history"
)

// A client of a database with Get and Put in a transaction function that may run
// several times records like this.
func Example() {
	store := map[history.Key]history.Value{}
	update := func(f func() error) error { return f() } // stands for the database's

	rec := history.NewRecorder(history.Registers, history.MonotonicClock())
	client := rec.Client(1)
	for range 3 {
		tx := client.Begin()
		err := update(func() error {
			tx.Restart()
			v, found := store[7]
			tx.Read(7, v, found)
			next := client.Unique()
			tx.Write(7, next) // before it is sent
			store[7] = next
			return nil
		})
		switch err {
		case nil:
			tx.OK()
		default: // tell from the error what is known: Fail if nothing happened
			tx.Unknown()
		}
	}
	result, err := history.Check(rec.History(), history.Options{})
	if err != nil {
		fmt.Println(err) // the test is at fault, not the database
		return
	}
	fmt.Print(result.String())
	// Output: 0 anomalies in 3 committed transactions
}
