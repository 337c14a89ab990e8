package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/godwitdb/godwit/internal/dberr"
)

// scanCheckRows is how many rows a scan reads between two looks at whether it
// was interrupted.
const scanCheckRows = 256

func dataCommands() []command {
	return []command{
		{"get", "TABLE KEY...", "print values", "A key that does not exist is an error; the others are printed before it.", (*Shell).get},
		{"put", "TABLE KEY VALUE [KEY VALUE...]", "set values, in one transaction", "", (*Shell).put},
		{"insert", "TABLE KEY VALUE", "set the value of a key that must not exist", "", (*Shell).insert},
		{"delete", "TABLE KEY...", "remove keys, which need not exist", "", (*Shell).delete},
		{"delete-range", "TABLE FROM TO", "remove the keys from FROM up to but without TO", "Prints how many they were.", (*Shell).deleteRange},
		{"scan", "TABLE [from K] [to K] [prefix K] [limit N] [reverse]", "print a range of an ordered table", "to is outside of the range. Outside of a transaction it reads a snapshot.", (*Shell).scan},
		{"count", "TABLE [from K] [to K] [prefix K]", "how many keys are in a range", "", (*Shell).count},
	}
}

func (s *Shell) get(ctx context.Context, args []Word) error {
	if len(args) < 2 {
		return errUsage
	}
	keys := args[1:]
	var values [][]byte
	err := s.read(ctx, func(tx Tx) error {
		values = make([][]byte, len(keys))
		for i, key := range keys {
			value, err := tx.Get(args[0].Text, key.Bytes())
			switch {
			case errors.Is(err, dberr.ErrNotFound):
			case err != nil:
				return err
			default:
				values[i] = append([]byte{}, value...)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	missing := 0
	var first []byte
	for i, key := range keys {
		switch {
		case values[i] == nil:
			if missing == 0 {
				first = key.Bytes()
			}
			missing++
		case len(keys) == 1:
			s.row(values[i])
		default:
			s.row(key.Bytes(), values[i])
		}
	}
	switch {
	case missing == 1:
		return fmt.Errorf("key %s does not exist", Quoted.Append(nil, first))
	case missing > 1:
		return fmt.Errorf("key %s and %d more do not exist", Quoted.Append(nil, first), missing-1)
	}
	return nil
}

// row prints a line of keys and values.
func (s *Shell) row(columns ...[]byte) {
	var line []byte
	for i, c := range columns {
		if i > 0 {
			line = append(line, ' ')
		}
		line = s.Format.Append(line, c)
	}
	s.printf("%s\n", line)
}

func (s *Shell) put(ctx context.Context, args []Word) error {
	if len(args) < 3 || len(args)%2 == 0 {
		return errUsage
	}
	return s.write(ctx, func(tx Tx) error {
		for i := 1; i < len(args); i += 2 {
			if err := tx.Put(args[0].Text, args[i].Bytes(), args[i+1].Bytes()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Shell) insert(ctx context.Context, args []Word) error {
	if len(args) != 3 {
		return errUsage
	}
	err := s.write(ctx, func(tx Tx) error {
		return tx.Insert(args[0].Text, args[1].Bytes(), args[2].Bytes())
	})
	if errors.Is(err, dberr.ErrExists) {
		return fmt.Errorf("key %s exists already", Quoted.Append(nil, args[1].Bytes()))
	}
	return err
}

func (s *Shell) delete(ctx context.Context, args []Word) error {
	if len(args) < 2 {
		return errUsage
	}
	return s.write(ctx, func(tx Tx) error {
		for _, key := range args[1:] {
			if err := tx.Delete(args[0].Text, key.Bytes()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Shell) deleteRange(ctx context.Context, args []Word) error {
	if len(args) != 3 {
		return errUsage
	}
	deleted := 0
	err := s.write(ctx, func(tx Tx) (err error) {
		deleted, err = tx.DeleteRange(args[0].Text, args[1].Bytes(), args[2].Bytes())
		return err
	})
	if err == nil {
		s.printf("%d\n", deleted)
	}
	return err
}

func (s *Shell) scan(ctx context.Context, args []Word) error {
	if len(args) < 1 {
		return errUsage
	}
	r, err := parseRange(args[1:], true)
	if err != nil {
		return err
	}
	return s.each(ctx, args[0].Text, r, func(key, value []byte) { s.row(key, value) })
}

func (s *Shell) count(ctx context.Context, args []Word) error {
	if len(args) < 1 {
		return errUsage
	}
	r, err := parseRange(args[1:], false)
	if err != nil {
		return err
	}
	n := 0
	err = s.each(ctx, args[0].Text, r, func(_, _ []byte) { n++ })
	if err == nil {
		s.printf("%d\n", n)
	}
	return err
}

// each calls f for the keys and values of a range until ctx ends.
func (s *Shell) each(ctx context.Context, table string, r Range, f func(key, value []byte)) error {
	return s.readOnce(ctx, func(tx Tx) error {
		n := 0
		for key, value := range tx.Scan(table, r) {
			if n++; n%scanCheckRows == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			f(key, value)
		}
		return tx.Err()
	})
}

// parseRange reads the words that follow the table in scan and count.
func parseRange(args []Word, full bool) (Range, error) {
	var r Range
	for len(args) > 0 {
		keyword := args[0]
		args = args[1:]
		if full && keyword.Is("reverse") {
			r.Reverse = true
			continue
		}
		if len(args) == 0 {
			return r, errUsage
		}
		operand := args[0]
		args = args[1:]
		switch {
		case keyword.Is("from"):
			r.From = operand.Bytes()
		case keyword.Is("to"):
			r.To = operand.Bytes()
		case keyword.Is("prefix"):
			r.From, r.To = operand.Bytes(), successor(operand.Bytes())
		case full && keyword.Is("limit"):
			n, err := strconv.Atoi(operand.Text)
			if err != nil || n < 1 {
				return r, fmt.Errorf("limit %s is not a number above 0", operand.Text)
			}
			r.Limit = n
		default:
			return r, errUsage
		}
	}
	return r, nil
}

// successor returns the first key after all that begin with prefix, nil if
// there is none.
func successor(prefix []byte) []byte {
	end := bytes.TrimRight(prefix, "\xff")
	if len(end) == 0 {
		return nil
	}
	next := bytes.Clone(end)
	next[len(next)-1]++
	return next
}
