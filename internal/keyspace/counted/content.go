package counted

// run is slots of a node, from lo to before hi.
type run struct {
	node
	lo, hi int
}

// whole returns the run of all slots of a node.
func whole(n node) run { return run{n, 0, n.n} }

// piece is the slots of a content that one node gets, from lo to before hi.
type piece struct{ lo, hi int }

// content is what a node becomes, before it is known whether one node can have
// it: slots in runs, numbered through.
type content struct {
	level  uint8
	runs   []run
	pieces []piece // as cut leaves them
}

func (c *content) set(level uint8, runs ...run) {
	c.level = level
	c.runs = append(c.runs[:0], runs...)
}

func (c *content) len() int {
	n := 0
	for i := range c.runs {
		r := &c.runs[i]
		n += r.hi - r.lo
	}
	return n
}

// clip returns the part of run r, which begins at slot first of the content,
// that is within the slots from lo to before hi.
func clip(r *run, first, lo, hi int) run {
	from, to := max(lo-first, 0), min(hi-first, r.hi-r.lo)
	return run{r.node, r.lo + from, r.lo + max(from, to)}
}

func (c *content) weight(lo, hi int) int {
	sum, first := 0, 0
	for i := range c.runs {
		r := &c.runs[i]
		if in := clip(r, first, lo, hi); in.lo < in.hi {
			sum += in.weight(in.lo, in.hi)
		}
		first += r.hi - r.lo
	}
	return sum
}

func (c *content) count(p piece) uint64 {
	var sum uint64
	first := 0
	for i := range c.runs {
		r := &c.runs[i]
		if in := clip(r, first, p.lo, p.hi); in.lo < in.hi {
			sum += in.countOf(in.lo, in.hi)
		}
		first += r.hi - r.lo
	}
	return sum
}

// slot returns the node of slot i of the content, and its slot there.
func (c *content) slot(i int) (node, int) {
	for _, r := range c.runs {
		if i < r.hi-r.lo {
			return r.node, r.lo + i
		}
		i -= r.hi - r.lo
	}
	panic("counted: no such slot")
}

func (c *content) key(i int) key {
	n, at := c.slot(i)
	return n.key(at)
}

// encode writes the node of a piece into the memory of b.
func (c *content) encode(b []byte, p piece) []byte {
	w := build(b, c.level, p.hi-p.lo)
	first := 0
	for i := range c.runs {
		r := &c.runs[i]
		if in := clip(r, first, p.lo, p.hi); in.lo < in.hi {
			w.copy(in.node, in.lo, in.hi)
		}
		first += r.hi - r.lo
	}
	return w.b
}

// fits reports whether one node may have a piece.
func (c *content) fits(p piece) bool {
	// Twice the least, less one, is the most that cannot be cut.
	return p.hi-p.lo < 2*slotsMin(c.level) || c.weight(p.lo, p.hi) <= nodeWeightMax
}

// light reports whether a piece should be joined with a sibling.
func (c *content) light(p piece) bool {
	return p.hi-p.lo < slotsMin(c.level) || c.weight(p.lo, p.hi) < nodeWeightMin
}

// cut divides the content into pieces that fit.
func (c *content) cut() {
	c.pieces = c.pieces[:0]
	if n := c.len(); n > 0 {
		c.divide(piece{0, n})
	}
}

func (c *content) divide(p piece) {
	if !c.fits(p) {
		m := c.place(p)
		c.divide(piece{p.lo, m})
		c.divide(piece{m, p.hi})
		return
	}
	// Between two long members a piece can be so short that the next one takes it in.
	if last := len(c.pieces) - 1; last >= 0 && c.fits(piece{c.pieces[last].lo, p.hi}) {
		c.pieces[last].hi = p.hi
		return
	}
	c.pieces = append(c.pieces, p)
}

// place returns where to cut a piece: in the middle, or at three quarters if the
// node grows at its end, as one does whose scores are times. Neither part is
// lighter than a quarter if no slot is heavier than that.
func (c *content) place(p piece) int {
	quarters := 2
	if last := c.runs[len(c.runs)-1]; last.lo == last.hi && p.hi == c.len() {
		quarters = 3
	}
	m, hi := p.lo+slotsMin(c.level), p.hi-slotsMin(c.level)
	most := c.weight(p.lo, p.hi) * quarters / 4
	for m < hi && c.weight(p.lo, m+1) <= most {
		m++
	}
	return m
}
