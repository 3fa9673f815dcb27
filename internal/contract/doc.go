// Package contract is a table of all operators and of all ways in which a run can
// end: each operator gives what a plain loop gives, and holds when it is left early,
// cancelled, or given items, functions and sources that fail or panic at any place.
// Nothing of it may leave a goroutine or a temporary file behind, or a source open.
//
// It has tests only. A new operator is a new row, in the file of its kind.
package contract
