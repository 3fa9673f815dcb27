// Package childtest has the program that tests of subprocesses run, and a look at what is
// left behind. A package's TestMain runs Tests. The program is small, and no test binary:
// thousands of them are started.
package childtest
