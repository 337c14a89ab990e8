package arena

import (
	"slices"
	"sort"
)

const (
	pageBytes = 16 << 10
	spanPages = spanBytes / pageBytes
	// chunkBytes is a huge page: what is given back to the operating system is
	// given back in this unit, so that huge pages stay whole.
	chunkBytes = 2 << 20
	chunkPages = chunkBytes / pageBytes
)

// extent is a run of free pages.
type extent struct{ first, count int }

func (e extent) end() int { return e.first + e.count }

// pages hands out runs of pages, lowest address first, so that what is free
// gathers at the end. Not safe for concurrent use.
type pages struct {
	total int
	used  int
	// free is sorted by address; neighbours are joined.
	free []extent
	// backed tells for each chunk whether it may hold memory.
	backed       []bool
	backedChunks int
}

func newPages(total int) *pages {
	return &pages{
		total:  total,
		free:   []extent{{1, total - 1}}, // page 0 holds Ref 0, which means none
		backed: make([]bool, (total+chunkPages-1)/chunkPages),
	}
}

// take returns the first page of a run of count whose address is a multiple of
// align pages.
func (p *pages) take(count, align int) (int, bool) {
	for i, e := range p.free {
		first := (e.first + align - 1) / align * align
		if first+count > e.end() {
			continue
		}
		before := extent{e.first, first - e.first}
		after := extent{first + count, e.end() - first - count}
		switch {
		case before.count > 0 && after.count > 0:
			p.free[i] = before
			p.free = slices.Insert(p.free, i+1, after)
		case before.count > 0:
			p.free[i] = before
		case after.count > 0:
			p.free[i] = after
		default:
			p.free = slices.Delete(p.free, i, i+1)
		}
		p.used += count
		return first, true
	}
	return 0, false
}

// put takes a run back.
func (p *pages) put(first, count int) {
	p.used -= count
	i := sort.Search(len(p.free), func(i int) bool { return p.free[i].first > first })
	joinLeft := i > 0 && p.free[i-1].end() == first
	joinRight := i < len(p.free) && p.free[i].first == first+count
	switch {
	case joinLeft && joinRight:
		p.free[i-1].count += count + p.free[i].count
		p.free = slices.Delete(p.free, i, i+1)
	case joinLeft:
		p.free[i-1].count += count
	case joinRight:
		p.free[i].first, p.free[i].count = first, p.free[i].count+count
	default:
		p.free = slices.Insert(p.free, i, extent{first, count})
	}
}

// unback finds chunks that hold memory but no used page, marks them as holding
// none and passes each to give, until want bytes are reached.
func (p *pages) unback(want int, give func(chunk int)) {
	for i := len(p.free) - 1; i >= 0 && want > 0; i-- {
		e := p.free[i]
		lo := (e.first + chunkPages - 1) / chunkPages
		for c := e.end()/chunkPages - 1; c >= lo && want > 0; c-- {
			if p.backed[c] {
				p.backed[c] = false
				p.backedChunks--
				give(c)
				want -= chunkBytes
			}
		}
	}
}

// back marks a chunk as holding memory.
func (p *pages) back(chunk int) {
	p.backed[chunk] = true
	p.backedChunks++
}

// nextUnbacked returns the first chunk without a used page that holds no memory,
// among those that are wholly below the given page.
func (p *pages) nextUnbacked(end int) (chunk int, ok bool) {
	for _, e := range p.free {
		for c := (e.first + chunkPages - 1) / chunkPages; (c+1)*chunkPages <= min(e.end(), end); c++ {
			if !p.backed[c] {
				return c, true
			}
		}
	}
	return 0, false
}

func (p *pages) backedBytes() int { return p.backedChunks * chunkBytes }
