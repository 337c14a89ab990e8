// Package resp is the wire protocol of Redis, RESP2 and RESP3, both sides of it.
//
// A server reads requests with a [Reader] and writes replies with a [Writer]:
//
//	for {
//		args, err := reader.ReadCommand() // waits for the first of a batch
//		...
//		for reader.Buffered() {
//			args, err := reader.ReadCommand() // the others that have come with it
//			...
//		}
//		... // write what the writer holds
//		reader.Release() // the arguments of the batch are no longer needed
//	}
//
// A client writes requests with [AppendCommand] and reads replies with
// [ReadReply], which returns a [Value]; [Value.AppendTo] writes it on, for another
// version of the protocol if need be.
//
// Numbers are parsed and printed as Redis does: [ParseInt], [ParseFloat],
// [AppendDouble], and [LongDouble] for INCRBYFLOAT.
//
// # Invariants
//
//   - Memory is taken for bytes that have come, never for a length that was
//     claimed: at most twice growthFactor times as much, above a small start.
//   - Arguments of all commands since the last Release stay good until the next.
//   - In a steady state of small commands nothing is copied or allocated: arguments
//     alias the buffer that the connection was read into. Large ones are read into
//     memory of their own.
//   - Bytes from the network never panic: they give a ProtocolError, in Redis's
//     words, after which the stream is of no use.
package resp
