// Package keyspace keeps the data of Redis clients in a Godwit database: keys with strings, lists,
// hashes, sets and sorted sets, and with times at which they expire. It knows values, not commands:
// package command has these.
//
// All that happens to keys happens in a transaction (Tx) of the database, so any number of keys in
// any places change together, and each operation reads and writes a number of records that does not
// grow with the size of the value (or by its logarithm, for sorted sets):
//
//   - A key is one record of the table of keys: its type, a version that is another after each
//     change (WATCH compares it), when it expires, and for a string the value, for the others where
//     their elements are and how many. A long string is in chunks, which are its elements. Keys are ordered by a hash, which is what a cursor of SCAN
//     is: it stays good whatever happens to other keys, on any replica.
//   - The elements of a value are records of a hashed table, under a number that belongs to the value
//     and is never used again. So a value is renamed by writing one record, and what is left of a
//     large one that was deleted is collected later (Collect).
//   - Hashes, sets and sorted sets keep an array of their members beside the members themselves: any one of them
//     is found by its place, for random ones, and a cursor that goes down the array meets
//     all that stay, because a hole is filled from behind, where it has been.
//   - Lists are numbered from head to tail; the order of a sorted set is in a counted tree (package counted).
//
// A key that has expired is not there, for readers too; Expire removes such keys for good.
package keyspace
