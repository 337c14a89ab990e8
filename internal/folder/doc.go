// Package folder is what the data folders of an embedded database and of a replica have in
// common: who holds them, what they are, and that neither is taken for anything else.
//
//	LOCK        held while the folder is open
//	IDENTITY    what the folder is: format, database, node. Made last, when all is there
//	RESTORING   stands for IDENTITY while a restore fills the folder, and becomes it
//	REACH       how far the log goes, so that what is lost of it is missed (package wal)
//	BALLOT      of a replica: what it has promised (package wal)
//	log/        the log
//	checkpoint/ the newest checkpoint: MANIFEST and a folder of parts
//	incoming/   of a replica: a checkpoint on its way here from another one
//
// # Formats
//
//	3  a replica's: IDENTITY names its node
//	4  an embedded database's
//
// Both have a log of the same format. Embedded databases had formats 1 and 2 before, with
// other logs; these, and what replicas had before 3, are refused (dberr.ErrOlderFormat).
//
// # Invariants
//
//   - A folder with anything that is not listed, and nothing that is, is left alone: not
//     even a lock file is made in it.
//   - A folder is what IDENTITY says only when all that the format asks for is durable.
package folder
