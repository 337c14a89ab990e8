// Peers runs YCSB++ on Godwit and on the embedded stores that a Go program would
// pick instead: Badger, bbolt and Pebble, one after the other in one run, through
// each one's public API and with the same durability. Every run is checked: each
// value says which record it belongs to, and the counters of all records add up
// to the committed updates.
//
//	go run . -goroutines 1,2,64 -duration 10s
//
// It is a module of its own, so that the stores that it compares stay out of the
// dependencies of Godwit.
package main
