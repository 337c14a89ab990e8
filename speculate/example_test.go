package speculate_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/speculate"
)

// journal is a log that is written ahead of fsync: records are on the disk only once
// a sync comes back.
type journal struct {
	speculate.Course
	records []string
}

func (j *journal) append(record string) speculate.Point {
	j.records = append(j.records, record)
	return speculate.Point(len(j.records))
}

// sync makes so many records durable.
func (j *journal) sync(n int) { j.Advance(speculate.Point(n)) }

// powerLoss cuts the log off behind what is durable.
func (j *journal) powerLoss() error {
	j.records = j.records[:j.Frontier()]
	return j.End(j.Frontier())
}

// Balances that are changed in memory at once, and answered for when the log has them.
func ExampleCourse() {
	balances := map[string]int{}
	log := new(journal)
	// deposit goes on without waiting for the disk.
	deposit := func(who string, amount int) error {
		at := log.append(fmt.Sprintf("%s %+d", who, amount))
		balances[who] += amount
		if err := log.Undo(at, func() { balances[who] -= amount }); err != nil {
			balances[who] -= amount
			return err
		}
		total := balances[who]
		log.Notify(at, func(err error) {
			if err != nil {
				fmt.Printf("to %s: try again, %v\n", who, err)
				return
			}
			fmt.Printf("to %s: you have %d\n", who, total)
		})
		return nil
	}
	for _, amount := range []int{100, 20, 3} {
		if err := deposit("ada", amount); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("in memory:", balances["ada"])
	log.sync(2)
	if err := log.powerLoss(); err != nil {
		fmt.Println(err)
	}
	fmt.Println("in memory:", balances["ada"], "of", log.records)
	// Output:
	// in memory: 123
	// to ada: you have 100
	// to ada: you have 120
	// to ada: try again, speculate: what this rests on is gone for good
	// in memory: 120 of [ada +100 ada +20]
}

// A program that is no database: a trip is planned ahead of the confirmations that
// it needs from others, and what rests on one that is refused is undone.
func ExampleVector() {
	ctx := context.Background()
	var confirmations speculate.Vector[string] // each is a course of one event
	var plan []string
	step := func(what string, needs *speculate.Set[string]) {
		plan = append(plan, what)
		if err := confirmations.Undo(needs, func() {
			plan = plan[:len(plan)-1]
			fmt.Println("undo:", what)
		}); err != nil {
			plan = plan[:len(plan)-1]
		}
	}

	var flight, hotel speculate.Set[string]
	flight.Add("flight", 1)
	step("reserve seat 12", &flight)
	hotel.CopyFrom(&flight) // no hotel without the flight
	hotel.Add("hotel", 1)
	step("book a room", &hotel)
	dinner := hotel // rests on nothing more than the hotel
	step("order dinner there", &dinner)

	confirmations.Course("flight").Advance(1) // the airline says yes
	fmt.Println("seat:", confirmations.Wait(ctx, &flight), "room:", confirmations.State(&hotel))
	if err := confirmations.Course("hotel").End(0); err != nil { // the hotel says no
		fmt.Println(err)
	}
	fmt.Println("no dinner:", errors.Is(confirmations.Wait(ctx, &dinner), speculate.ErrDoomed))
	fmt.Println("plan:", plan)
	// Output:
	// seat: <nil> room: undecided
	// undo: order dinner there
	// undo: book a room
	// no dinner: true
	// plan: [reserve seat 12]
}

// What is settled carries nothing any more.
func ExampleVector_Prune() {
	type epoch struct{ shard, epoch int }
	var known speculate.Vector[epoch]
	var read, written speculate.Set[epoch]
	read.Add(epoch{1, 7}, 100)
	read.Add(epoch{2, 3}, 250)
	known.Course(epoch{1, 7}).Advance(180)
	known.Prune(&read)

	written.Add(epoch{5, 1}, 300)
	written.Merge(&read) // inherited
	for course, at := range written.All() {
		fmt.Println(course, at)
	}
	// Output:
	// {5 1} 300
	// {2 3} 250
}
