// Package subprocess runs a command as a worker: a line in, a line out, as long as
// there are items. It starts the process, keeps request and answer in step, ends it
// with all that it started, and starts it again when it fails.
//
// A process is one of a group of its own. What is written to stdout is read, and
// what is written to stderr drained, all the time, so that neither side ever waits
// for the other with a full pipe. It knows nothing of streams: packages stage and pool do.
package subprocess
