// Package childtest is the program that tests of subprocesses run: the test binary
// itself, with arguments that make it a child which answers lines in a way that a test
// is about, and a look at what is left behind. A package's TestMain calls Main first.
package childtest
