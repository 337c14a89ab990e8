package command

// Match tells whether s is as a pattern says, as Redis understands patterns: * is any text, ? any byte, [ab] and [a-z] one of
// these bytes, [^ab] one of the others, and a backslash takes away the meaning of what follows. A bracket that is not
// closed ends with the pattern.
//
// It takes time in proportion to the product of both lengths at most: when a piece between two stars is found, it
// never has to be looked for further on.
func Match(pattern, s []byte) bool {
	var star []byte // what follows the last star; nil if none has come
	var from []byte // where star was last looked for
	rest := s
	for len(rest) > 0 {
		if len(pattern) > 0 && pattern[0] == '*' {
			if pattern = pattern[1:]; len(pattern) == 0 {
				return true
			}
			star, from = pattern, rest
			continue
		}
		if after, ok := matchByte(pattern, rest[0]); ok {
			pattern, rest = after, rest[1:]
			continue
		}
		if star == nil {
			return false
		}
		from = from[1:]
		pattern, rest = star, from
	}
	for len(pattern) > 0 && pattern[0] == '*' {
		pattern = pattern[1:]
	}
	return len(pattern) == 0
}

// matchByte matches one byte with the first element of a pattern, which is no star, and returns what follows that.
func matchByte(pattern []byte, c byte) (rest []byte, ok bool) {
	if len(pattern) == 0 {
		return nil, false
	}
	switch pattern[0] {
	case '?':
		return pattern[1:], true
	case '[':
		return matchSet(pattern[1:], c)
	case '\\':
		if len(pattern) > 1 {
			pattern = pattern[1:]
		}
	}
	return pattern[1:], pattern[0] == c
}

// matchSet matches one byte with the bytes that are listed up to a bracket, and returns what follows that.
func matchSet(set []byte, c byte) (rest []byte, ok bool) {
	not := len(set) > 0 && set[0] == '^'
	if not {
		set = set[1:]
	}
	found := false
	for len(set) > 0 && set[0] != ']' {
		switch {
		case set[0] == '\\' && len(set) > 1:
			found = found || set[1] == c
			set = set[2:]
		case len(set) > 2 && set[1] == '-':
			low, high := min(set[0], set[2]), max(set[0], set[2])
			found = found || low <= c && c <= high
			set = set[3:]
		default:
			found = found || set[0] == c
			set = set[1:]
		}
	}
	if len(set) > 0 {
		set = set[1:]
	}
	return set, found != not
}
