// Package tpcc is the workload of the TPC-C benchmark: nine tables of a
// wholesale supplier and a mix of five transactions, written from the rules of
// the specification, revision 5.11 (clause numbers in the comments are its).
// Its results are not audited and are no tpmC.
//
// # What is as specified
//
// The tables with all their columns, the scale per warehouse (1.2, 4.3.3), the
// population rules (random strings, last names by syllables, NURand with its
// constants and the distance between C-Load and C-Run, 10 % ORIGINAL, customers
// permuted over orders), and the five profiles with their draws: 1 % of
// New-Orders end with an unused item and roll back everything that they did
// (2.4.1.4), 1 % of order lines come from another warehouse, 15 % of payments are
// a customer's of another warehouse, 60 % of payments and order status queries go
// by last name. Rows are really inserted and deleted. The mix is 45 % New-Order,
// 43 % Payment and 4 % each of Order-Status, Delivery and Stock-Level (5.2.3).
// All transactions are serializable, Stock-Level too (2.8.2.3 would let it off).
//
// # What is a choice within it
//
//   - A Delivery delivers its ten orders in one database transaction, which
//     clause 2.7 leaves open.
//   - STOCK is partitioned vertically (1.4.5) into stock, with the four columns
//     that change, and stock_info, with the texts, as Silo does. Unlike Silo's,
//     New-Order reads both, and order lines carry their district's text.
//   - CUSTOMER has an index by last and first name and ORDER one by customer; the
//     tables that are only read by key can be hash tables (Config.KeyTables).
//   - HISTORY has no key of its own (1.3.1); ours is the session and a number.
//   - Money is in cents, tax and discount in units of 0.0001, as integers.
//
// # What is left out
//
// Terminals, think and keying times, and the queue of deferred deliveries (2.7.2):
// a session starts the next transaction when the last has executed, on the
// warehouse or warehouses that are its own.
//
// # Rows and keys
//
// A row is a fixed binary layout read in place (rows.go). A key is big-endian and,
// but for the index by name, at most 8 bytes (keys.go).
//
// # Check
//
// Check verifies all twelve consistency conditions of clause 3.3.2, and beyond
// them that the stock agrees with the order lines, that the two indexes agree
// with their tables, and that exactly those transactions left a trace that
// executed (check.go).
package tpcc
