package godwit_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"

	"github.com/godwitdb/godwit"
)

// open makes a database for an example.
func open() (*godwit.DB, func()) {
	dir, err := os.MkdirTemp("", "godwit-example-")
	if err != nil {
		log.Fatal(err)
	}
	db, err := godwit.Open(dir, &godwit.Options{MemoryLimit: 64 << 20})
	if err != nil {
		log.Fatal(err)
	}
	return db, func() {
		if err := errors.Join(db.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

func Example() {
	ctx := context.Background()
	db, done := open()
	defer done()
	accounts, err := db.CreateTable(ctx, "accounts", godwit.Ordered)
	if err != nil {
		log.Fatal(err)
	}
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	err = db.Update(ctx, func(tx *godwit.Tx) error {
		return errors.Join(tx.Insert(accounts, []byte("alice"), number(100)), tx.Insert(accounts, []byte("bob"), number(0)))
	})
	if err != nil {
		log.Fatal(err)
	}
	// The function may run again if another transaction gets in its way.
	err = db.Update(ctx, func(tx *godwit.Tx) error {
		alice, err := tx.Get(accounts, []byte("alice"))
		if err != nil {
			return err
		}
		bob, err := tx.Get(accounts, []byte("bob"))
		if err != nil {
			return err
		}
		a, b := binary.BigEndian.Uint64(alice), binary.BigEndian.Uint64(bob)
		if a < 30 {
			return errors.New("not enough")
		}
		return errors.Join(tx.Put(accounts, []byte("alice"), number(a-30)), tx.Put(accounts, []byte("bob"), number(b+30)))
	})
	if err != nil {
		log.Fatal(err)
	}
	err = db.View(ctx, func(tx *godwit.Tx) error {
		for name, balance := range tx.Scan(accounts, godwit.Range{}) {
			fmt.Printf("%s has %d\n", name, binary.BigEndian.Uint64(balance))
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// alice has 70
	// bob has 30
}

func ExampleDB_UpdateAsync() {
	ctx := context.Background()
	db, done := open()
	defer done()
	events, err := db.CreateTable(ctx, "events", godwit.Ordered)
	if err != nil {
		log.Fatal(err)
	}
	// One goroutine keeps many transactions in flight: they share the syncs.
	var pending []*godwit.Pending
	for i := range 1000 {
		p, err := db.UpdateAsync(ctx, func(tx *godwit.Tx) error {
			return tx.Put(events, fmt.Appendf(nil, "%04d", i), nil)
		})
		if err != nil {
			log.Fatal(err)
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		if err := p.Wait(ctx); err != nil { // on disk from here on
			log.Fatal(err)
		}
	}
	fmt.Println(len(pending), "released")
	// Output: 1000 released
}

func ExampleTx_Scan() {
	ctx := context.Background()
	db, done := open()
	defer done()
	words, err := db.CreateTable(ctx, "words", godwit.Ordered)
	if err != nil {
		log.Fatal(err)
	}
	err = db.Update(ctx, func(tx *godwit.Tx) error {
		for _, w := range []string{"ant", "bee", "bat", "cat", "cow"} {
			if err := tx.Put(words, []byte(w), nil); err != nil {
				return err
			}
		}
		for w := range tx.Scan(words, godwit.Range{From: []byte("b"), To: []byte("d"), Reverse: true, Limit: 3}) {
			fmt.Printf("%s\n", w)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// cow
	// cat
	// bee
}

func ExampleDB_Snapshot() {
	ctx := context.Background()
	db, done := open()
	defer done()
	t, err := db.CreateTable(ctx, "t", godwit.Hashed)
	if err != nil {
		log.Fatal(err)
	}
	put := func(value string) {
		err := db.Update(ctx, func(tx *godwit.Tx) error { return tx.Put(t, []byte("k"), []byte(value)) })
		if err != nil {
			log.Fatal(err)
		}
	}
	put("before")
	snapshot, err := db.Snapshot(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer snapshot.Close()
	put("after")
	err = snapshot.View(ctx, func(tx *godwit.Tx) error {
		v, err := tx.Get(t, []byte("k"))
		fmt.Printf("%s\n", v)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: before
}

// A client sends a request again when it has not heard the outcome. It is carried out once.
func ExampleDB_UpdateOnce() {
	ctx := context.Background()
	db, done := open()
	defer done()
	orders, err := db.CreateTable(ctx, "orders", godwit.Ordered)
	if err != nil {
		log.Fatal(err)
	}
	request := godwit.Request{Client: rand.Uint64() | 1, Number: 1}
	for range 2 { // as if the first answer was lost
		answer, err := db.UpdateOnce(ctx, request, func(tx *godwit.Tx) ([]byte, error) {
			fmt.Println("carried out")
			id := []byte("order 17")
			return id, tx.Insert(orders, id, []byte("tea"))
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", answer)
	}
	// Output:
	// carried out
	// order 17
	// order 17
}
