package server

import "testing"

func TestSlot(t *testing.T) {
	// As in the specification of Redis's cluster.
	for key, want := range map[string]int{"123456789": 12739, "foo": 12182, "{foo}.a": 12182, "a{foo}b{bar}": 12182, "": 0} {
		if got := slot([]byte(key)); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
	if slot([]byte("{}a")) == slot([]byte("")) || slot([]byte("{}a")) == slot([]byte("{}b")) {
		t.Error("braces with nothing in them count")
	}
}
