package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Settings are flags that may be given in the environment and in a file, too. A setting has one name: --listen,
// GODWIT_LISTEN, and listen = in the file. The command line goes before the environment, and that before the file.

const (
	environmentPrefix = "GODWIT_"
	configFlag        = "config"
)

// secretSettings are not shown.
func secretSettings() []string { return []string{"cluster-secret", "requirepass"} }

// settingGroup are flags under a title of the help.
type settingGroup struct {
	title string
	flags *pflag.FlagSet
}

// declareSettings declares the flags of groups on a command, whose help shows them by group.
func declareSettings(cmd *cobra.Command, groups []settingGroup) {
	for _, g := range groups {
		g.flags.SortFlags = false
		cmd.Flags().AddFlagSet(g.flags)
	}
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		out := cmd.OutOrStderr()
		fmt.Fprintf(out, "Usage:\n  %s\n", cmd.UseLine())
		if cmd.HasExample() {
			fmt.Fprintf(out, "\nExamples:\n%s\n", cmd.Example)
		}
		for _, g := range groups {
			fmt.Fprintf(out, "\n%s:\n%s", g.title, g.flags.FlagUsages())
		}
		_, err := fmt.Fprint(out, "\n  -h, --help   this text\n")
		return err
	})
}

// readSettings gives flags that are not on the command line their values from the environment and the file.
func readSettings(groups []settingGroup) error {
	known := map[string]*pflag.Flag{}
	for _, g := range groups {
		g.flags.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known[f.Name] = f
			}
		})
	}
	given := map[string]bool{}
	var errs []error
	for name, f := range known {
		given[name] = f.Changed
		text, ok := os.LookupEnv(environmentPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
		if given[name] || !ok {
			continue
		}
		given[name] = true
		if err := f.Value.Set(text); err != nil {
			errs = append(errs, fmt.Errorf("%s%s: %w", environmentPrefix, strings.ToUpper(strings.ReplaceAll(name, "-", "_")), err))
		}
	}
	if file := known[configFlag].Value.String(); file != "" {
		errs = append(errs, readSettingsFile(file, known, given))
	}
	return errors.Join(errs...)
}

// readSettingsFile gives flags that are not given yet their values from a file.
func readSettingsFile(file string, known map[string]*pflag.Flag, given map[string]bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var values map[string]any
	if err := toml.Unmarshal(text, &values); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, column := at.Position()
			return fmt.Errorf("%s:%d:%d: %w", file, row, column, err)
		}
		return fmt.Errorf("%s: %w", file, err)
	}
	var errs []error
	for name, value := range values {
		f, ok := known[name]
		switch {
		case !ok || name == configFlag:
			errs = append(errs, fmt.Errorf("%s: there is no setting %q%s", file, name, hint(name, known)))
		case !given[name]:
			if err := set(f, value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", file, name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// set sets a flag to a value of a file.
func set(f *pflag.Flag, value any) error {
	list, isList := f.Value.(pflag.SliceValue)
	switch v := value.(type) {
	case []any:
		if !isList {
			return errors.New("it is one value, not a list")
		}
		texts := make([]string, len(v))
		for i, e := range v {
			text, ok := e.(string)
			if !ok {
				return fmt.Errorf("%v is no string", e)
			}
			texts[i] = text
		}
		return list.Replace(texts)
	case string, bool, int64, float64:
		return f.Value.Set(fmt.Sprint(v))
	}
	return fmt.Errorf("%v is no string, number, truth value or list", value)
}

// hint says which name was meant, if one is much like it.
func hint(name string, known map[string]*pflag.Flag) string {
	best, least := "", 3
	for other := range known {
		if d := distance(name, other); d < least || d == least && other < best {
			best, least = other, d
		}
	}
	if best == "" {
		return "; godwit serve --help lists them"
	}
	return fmt.Sprintf("; is it %s?", best)
}

// distance is how many letters have to be added, left out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

// printSettings writes the settings as a file that gives the same.
func printSettings(out io.Writer, groups []settingGroup) error {
	var text bytes.Buffer
	for _, g := range groups {
		fmt.Fprintf(&text, "## %s\n\n", g.title)
		g.flags.VisitAll(func(f *pflag.Flag) {
			if f.Hidden || slices.Contains([]string{configFlag, "print-config"}, f.Name) {
				return
			}
			for line := range strings.SplitSeq(f.Usage, "\n") {
				fmt.Fprintf(&text, "# %s\n", line)
			}
			if slices.Contains(secretSettings(), f.Name) {
				fmt.Fprintf(&text, "# %s is not shown\n\n", f.Name)
				return
			}
			var value any
			switch list, isList := f.Value.(pflag.SliceValue); {
			case isList:
				value = list.GetSlice()
			case slices.Contains([]string{"bool", "int", "int64", "uint32", "float64"}, f.Value.Type()):
				fmt.Fprintf(&text, "%s = %s\n\n", f.Name, f.Value)
				return
			default:
				value = f.Value.String()
			}
			line, err := toml.Marshal(map[string]any{f.Name: value})
			if err != nil {
				panic(err) // a string, or some
			}
			text.Write(append(line, '\n'))
		})
	}
	_, err := out.Write(text.Bytes())
	return err
}
