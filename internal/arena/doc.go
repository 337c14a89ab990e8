// Package arena is the memory that grows with the data: one reservation of
// address space outside the Go heap, without Go pointers, so that the garbage
// collector has nothing to scan however much a database holds.
//
// Objects are addressed by their offset (Ref), never by a Go pointer that is
// kept. They come from three levels, as in tcmalloc: a Cache per worker (no
// locks), a central list per size class (a lock for every few dozen objects),
// and pages of 16 KiB (one lock for every 64 KiB). A span of 64 KiB holds objects
// of one class; when its last object is freed it goes back to the pages, joins
// its neighbours, and can serve any other class or go back to the operating
// system (Scavenge).
//
// The arena knows nothing of who reads an object. Package epoch tells when an
// object that readers may be looking at can be freed.
//
// # Words shared between goroutines
//
// Optimistic readers copy memory that a writer may be changing and afterwards
// check a version word to find out. Load64, CopyOut, Store64, CopyIn and
// MoveWords are the only ways in which shared memory is read or written
// outside of package atomic. On amd64 they are plain loads and stores: stores become visible in
// program order, loads are done in program order, and atomic operations on the
// version word keep the compiler from moving them. On other processors, and
// in race builds, they are atomic operations on words: on arm64 a
// load-acquire keeps the later check of the version behind it, and a
// store-release keeps the data behind the store that took the lock, which the
// compare-and-swap alone does not (its acquire half orders only its load).
//
// In race builds the arena is a Go slice, because the race detector does not
// see memory that it has not mapped.
package arena
