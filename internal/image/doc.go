// Package image puts the state of an engine's tables as of a snapshot into a checkpoint
// or a backup, and back into an engine. It joins occ and checkpoint, which know nothing
// of each other.
package image
