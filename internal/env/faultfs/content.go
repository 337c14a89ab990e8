package faultfs

import "slices"

// pageBytes is what a file's content is kept in: a multiple of SectorBytes.
const pageBytes = 4096

type page [pageBytes]byte

// content is a sequence of bytes that is cheap to copy, and where it is all zeros: files in these tests are made
// long in advance, and copied at each write that may be the last before a crash.
type content struct {
	sizeBytes int64
	pages     []*page // nil is all zeros; so is what is behind sizeBytes
	own       []bool  // whether no copy shares the page
}

// clone returns a copy. Until one of the two is written, they share their pages.
func (c *content) clone() content {
	clear(c.own)
	return content{c.sizeBytes, slices.Clone(c.pages), make([]bool, len(c.own))}
}

// each calls f for the parts of pages that n bytes from an offset on lie in, with how many bytes come before.
// They are within the content.
func (c *content) each(offset int64, n int, f func(page int, in, done, bytes int)) {
	for done := 0; done < n; {
		at := offset + int64(done)
		in := int(at % pageBytes)
		bytes := min(pageBytes-in, n-done)
		f(int(at/pageBytes), in, done, bytes)
		done += bytes
	}
}

// writable returns a page that may be changed.
func (c *content) writable(i int) *page {
	if !c.own[i] {
		p := new(page)
		if c.pages[i] != nil {
			*p = *c.pages[i]
		}
		c.pages[i], c.own[i] = p, true
	}
	return c.pages[i]
}

// read copies what is at an offset, and returns how much that is.
func (c *content) read(p []byte, offset int64) int {
	n := int(max(0, min(int64(len(p)), c.sizeBytes-offset)))
	c.each(offset, n, func(i, in, done, bytes int) {
		if to := p[done : done+bytes]; c.pages[i] == nil {
			clear(to)
		} else {
			copy(to, c.pages[i][in:])
		}
	})
	return n
}

// write overwrites what is at an offset, as far as the content goes, and returns how much that is.
func (c *content) write(p []byte, offset int64) int {
	n := int(max(0, min(int64(len(p)), c.sizeBytes-offset)))
	c.each(offset, n, func(i, in, done, bytes int) {
		if from := p[done : done+bytes]; c.pages[i] != nil || !zero(from) {
			copy(c.writable(i)[in:], from)
		}
	})
	return n
}

// resize sets the length. What is added is zeros.
func (c *content) resize(sizeBytes int64) {
	n := int((sizeBytes + pageBytes - 1) / pageBytes)
	if in := sizeBytes % pageBytes; sizeBytes < c.sizeBytes && in > 0 && c.pages[n-1] != nil {
		clear(c.writable(n - 1)[in:])
	}
	for len(c.pages) < n {
		c.pages, c.own = append(c.pages, nil), append(c.own, false)
	}
	clear(c.pages[n:])
	c.sizeBytes, c.pages, c.own = sizeBytes, c.pages[:n], c.own[:n]
}

// sector returns a copy of a sector, with zeros where the content has ended.
func (c *content) sector(n int64) []byte {
	s := make([]byte, SectorBytes)
	c.read(s, n*SectorBytes)
	return s
}

// take overwrites a sector with that of another content, as far as this one goes.
func (c *content) take(n int64, from *content) {
	var s [SectorBytes]byte
	at := n * SectorBytes
	if i := at / pageBytes; at < c.sizeBytes && (c.pages[i] != nil || i < int64(len(from.pages)) && from.pages[i] != nil) {
		from.read(s[:], at)
		c.write(s[:], at)
	}
}

// bytes returns a copy of all.
func (c *content) bytes() []byte {
	b := make([]byte, c.sizeBytes)
	c.read(b, 0)
	return b
}

// zero tells whether a part of a page is all zeros.
func zero(b []byte) bool {
	var zeros page
	return string(b) == string(zeros[:len(b)])
}
