// Package ycsb has the workloads of the Yahoo! Cloud Serving Benchmark, A to F,
// and the transactional YCSB++ that the papers on multi-core databases use.
//
// # A to F
//
// One operation per transaction, 1,000 bytes per record in ten fields, keys of
// "user" and a hash, by the definitions of the original:
//
//	A  50 % read, 50 % update                    zipfian
//	B  95 % read,  5 % update                    zipfian
//	C 100 % read                                 zipfian
//	D  95 % read,  5 % insert                    latest
//	E  95 % scan of 1..100 records, 5 % insert   zipfian
//	F  50 % read, 50 % read-modify-write         zipfian
//
// Zipfian is the original's scrambled one, constant 0.99. A read takes all fields
// and an update writes one. Here a record is one value, so an update reads the
// record, replaces the field and writes it back, in one transaction; it differs
// from a read-modify-write in that it does not look at the other fields.
//
// # YCSB++
//
// Four different keys per transaction; half of the transactions read them, half
// read and write all of them. A million records of 8 + 100 bytes, uniform or
// zipfian. The keys of a transaction are read with one batched lookup unless
// Config.OneByOne.
//
// # Check
//
// Every field carries its record's number, a counter and a pattern that both
// determine, so any mixed-up, torn or foreign value is noticed by whoever reads
// it, during the run too. A write adds one to the counter of its field. After the
// run every record must be there, and the sum of all counters must be the number
// of executed writes: a lost update shows, and so does one that was made twice.
package ycsb
