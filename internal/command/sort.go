package command

import (
	"bytes"
	"slices"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

func sortCommands() []*Command {
	return []*Command{
		{Name: "sort", Group: "keyspace", Arity: -2, Flags: Write | DenyOOM | Movable, Keys: Keys{First: 1, Last: 1, Step: 1, Of: sortKeys}, Run: sortStored},
		{Name: "sort_ro", Group: "keyspace", Arity: -2, Flags: ReadOnly | Movable, Keys: Keys{First: 1, Last: 1, Step: 1}, Run: sortReadOnly},
	}
}

// sortOptions are those of SORT.
type sortOptions struct {
	by            []byte // nil: the elements themselves
	get           [][]byte
	store         []byte // nil: reply
	offset, count int64  // count negative: to the end
	desc, alpha   bool
	unsorted      bool
}

func parseSortOptions(args [][]byte, stores bool) (o sortOptions, err error) {
	o.count = -1
	for i := 0; i < len(args); i++ {
		arg, more := args[i], len(args)-i-1
		switch {
		case is(arg, "ASC"):
			o.desc = false
		case is(arg, "DESC"):
			o.desc = true
		case is(arg, "ALPHA"):
			o.alpha = true
		case is(arg, "LIMIT") && more >= 2:
			var ok1, ok2 bool
			o.offset, ok1 = resp.ParseInt(args[i+1])
			o.count, ok2 = resp.ParseInt(args[i+2])
			if !ok1 || !ok2 {
				return o, ErrNotInt
			}
			i += 2
		case stores && is(arg, "STORE") && more >= 1:
			i++
			o.store = args[i]
		case is(arg, "BY") && more >= 1:
			i++
			o.by = args[i]
			o.unsorted = bytes.IndexByte(o.by, '*') < 0
		case is(arg, "GET") && more >= 1:
			i++
			o.get = append(o.get, args[i])
		default:
			return o, ErrSyntax
		}
	}
	return o, nil
}

// sortKeys finds the keys of SORT: what is sorted, and where to if it says so.
func sortKeys(args [][]byte) ([][]byte, error) {
	if len(args) < 2 {
		return nil, ErrSyntax
	}
	o, err := parseSortOptions(args[2:], true)
	if err != nil {
		return nil, err
	}
	if o.store != nil {
		return [][]byte{args[1], o.store}, nil
	}
	return args[1:2], nil
}

func sortStored(c *Call) error   { return sortKey(c, true) }
func sortReadOnly(c *Call) error { return sortKey(c, false) }

func sortKey(c *Call, stores bool) error {
	o, err := parseSortOptions(c.Args[2:], stores)
	if err != nil {
		return err
	}
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	elements, err := sortElements(c, &k, &o)
	if err != nil {
		return err
	}
	if !o.unsorted {
		if elements, err = sorted(c, elements, &o); err != nil {
			return err
		}
	}
	elements = o.limit(elements)
	if len(elements)*max(len(o.get), 1) > sortRepliesMax {
		return Errorf("ERR SORT replies with at most %d elements", sortRepliesMax)
	}
	if o.store != nil {
		return sortStore(c, elements, &o)
	}
	c.Out.Array(len(elements) * max(len(o.get), 1))
	return o.results(c, elements, func(value []byte, ok bool) error {
		if ok {
			c.Out.Bulk(value)
		} else {
			c.Out.Null()
		}
		return nil
	})
}

// sortRepliesMax bounds what SORT replies or stores.
const sortRepliesMax = 16 << 20

// sortElements returns what is to be sorted, in its own order.
func sortElements(c *Call, k *keyspace.Key, o *sortOptions) (elements [][]byte, err error) {
	switch k.Type() {
	case keyspace.NoType:
		return nil, nil
	case keyspace.ListType:
		l, _, err := c.Tx.List(k.Name())
		if err != nil {
			return nil, err
		}
		return o.listed(c, l)
	case keyspace.SetType:
		if o.unsorted && (o.store != nil || c.Scripted) {
			// A set has no order of its own that is always the same.
			o.unsorted, o.alpha, o.by = false, true, nil
		}
		d, _, err := c.Tx.Dict(k.Name(), keyspace.SetType)
		if err != nil {
			return nil, err
		}
		for member := range d.Members() {
			elements = append(elements, member)
		}
		return elements, c.Tx.Err()
	case keyspace.SortedSetType:
		z, _, err := c.Tx.SortedSet(k.Name())
		if err != nil {
			return nil, err
		}
		return o.ranked(c, z)
	}
	return nil, keyspace.ErrWrongType
}

// listed returns the items of a list. Where their own order stays, they are only those that LIMIT says.
func (o *sortOptions) listed(c *Call, l *keyspace.List) (items [][]byte, err error) {
	n := l.Len()
	from, to := 0, n
	if o.unsorted {
		from, to = o.span(n)
		o.offset = 0
	}
	if from == to {
		return nil, nil
	}
	first, last := from, to-1
	if o.unsorted && o.desc {
		first, last = n-1-from, n-to
	}
	for _, item := range l.Items(first, last) {
		items = append(items, item)
	}
	return items, c.Tx.Err()
}

// ranked returns the members of a sorted set. Where their own order stays, they are only those that LIMIT says.
func (o *sortOptions) ranked(c *Call, z *keyspace.SortedSet) (members [][]byte, err error) {
	n := z.Len()
	entries := z.Ascend(0, n)
	if o.unsorted {
		from, to := o.span(n)
		if entries = z.Ascend(from, to); o.desc {
			entries = z.Descend(n-to, n-from)
		}
		o.offset = 0
	}
	for e := range entries {
		members = append(members, e.Member)
	}
	return members, c.Tx.Err()
}

// limit returns the part that LIMIT says.
func (o *sortOptions) limit(elements [][]byte) [][]byte {
	from, to := o.span(len(elements))
	return elements[from:to]
}

// span returns which part of n elements LIMIT says.
func (o *sortOptions) span(n int) (from, to int) {
	from = int(min(max(o.offset, 0), int64(n)))
	to = n
	if o.count >= 0 && o.count < int64(n-from) {
		to = from + int(o.count)
	}
	return from, to
}

// sortItem is an element and what it is sorted by.
type sortItem struct {
	element []byte
	score   float64
	text    []byte // nil: there is none
}

// sorted returns the elements in order.
func sorted(c *Call, elements [][]byte, o *sortOptions) ([][]byte, error) {
	items := make([]sortItem, len(elements))
	for i, e := range elements {
		text := e
		if o.by != nil {
			var ok bool
			var err error
			if text, ok, err = sortLookup(c, o.by, e); err != nil {
				return nil, err
			} else if !ok {
				text = nil
			}
		}
		items[i] = sortItem{element: e, text: text}
		if !o.alpha && len(text) > 0 {
			var inRange, ok bool
			if items[i].score, inRange, ok = resp.ParseLoose(text); !ok || !inRange {
				return nil, Error("ERR One or more scores can't be converted into double")
			}
		}
	}
	compare := compareScores
	if o.alpha {
		compare = compareTexts
	}
	slices.SortStableFunc(items, func(a, b sortItem) int {
		if o.desc {
			a, b = b, a
		}
		return compare(a, b)
	})
	out := make([][]byte, len(items))
	for i := range items {
		out[i] = items[i].element
	}
	return out, nil
}

func compareScores(a, b sortItem) int {
	switch {
	case a.score < b.score:
		return -1
	case a.score > b.score:
		return 1
	}
	return bytes.Compare(a.element, b.element)
}

func compareTexts(a, b sortItem) int {
	switch {
	case a.text == nil && b.text != nil:
		return -1
	case a.text != nil && b.text == nil:
		return 1
	}
	return bytes.Compare(a.text, b.text)
}

// results visits what is to be replied or stored of the elements; ok is false where there is nothing.
func (o *sortOptions) results(c *Call, elements [][]byte, visit func(value []byte, ok bool) error) error {
	for _, e := range elements {
		if len(o.get) == 0 {
			if err := visit(e, true); err != nil {
				return err
			}
			continue
		}
		for _, pattern := range o.get {
			value, ok, err := sortLookup(c, pattern, e)
			if err != nil {
				return err
			}
			if err := visit(value, ok); err != nil {
				return err
			}
		}
	}
	return nil
}

// sortLookup returns what a pattern means for an element: of # the element, else the string, or with -> the field of a hash, at
// the key that the pattern is with the element for the star.
func sortLookup(c *Call, pattern, element []byte) (value []byte, ok bool, err error) {
	if string(pattern) == "#" {
		return element, true, nil
	}
	before, after, ok := bytes.Cut(pattern, []byte{'*'})
	if !ok {
		return nil, false, nil
	}
	var field []byte
	if key, f, ok := bytes.Cut(after, []byte("->")); ok && len(f) > 0 {
		after, field = key, f
	}
	name := slices.Concat(before, element, after)
	if len(name) > keyspace.KeyBytesMax {
		return nil, false, nil
	}
	k, err := c.Tx.Lookup(name)
	if err != nil {
		return nil, false, err
	}
	switch {
	case field == nil && k.Type() == keyspace.StringType:
		value, err := k.Value()
		return value, true, err
	case field != nil && k.Type() == keyspace.HashType:
		d, _, err := c.Tx.Dict(name, keyspace.HashType)
		if err != nil {
			return nil, false, err
		}
		return d.Get(field)
	}
	return nil, false, nil
}

// sortStore makes the results a list. What is missing is an empty item.
func sortStore(c *Call, elements [][]byte, o *sortOptions) error {
	var items [][]byte
	if err := o.results(c, elements, func(value []byte, _ bool) error {
		items = append(items, value)
		return nil
	}); err != nil {
		return err
	}
	old, err := c.Tx.Lookup(o.store)
	if err != nil {
		return err
	}
	had := old.Exists()
	if err := old.Remove(); err != nil {
		return err
	}
	c.Out.Int(int64(len(items)))
	if len(items) == 0 {
		if had {
			old.Changed('g', "del")
		}
		return nil
	}
	l, k, err := c.Tx.List(o.store)
	if err != nil {
		return err
	}
	for _, item := range items {
		if err := l.PushTail(item); err != nil {
			return err
		}
	}
	if err := l.Save(); err != nil {
		return err
	}
	k.Changed('l', "sortstore")
	k.Ready()
	return nil
}
