// Package mutants plants mistakes in package occ, whose tests have to find them.
package mutants
