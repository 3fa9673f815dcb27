// Package cancelmatrix ends random pipelines at every moment: at the k-th pull of a
// source, call of a function, write, Prepare, Save and Commit, for each k until there
// is no such moment any more. The end is that of the run's context, an orderly
// shutdown, or one whose grace is over. Then nothing runs or is open any more, the
// error is the cause, what was written is a prefix of the plain sequential answer (or
// a part of it, each item once, where a pool does not keep the order), and a run with
// a checkpoint goes on to all of it. It holds tests only.
//
//	go test ./internal/cancelmatrix                                          # some hundred runs
//	PENSTOCK_CANCEL=long go test -race -timeout 20m ./internal/cancelmatrix  # 10,000
//	PENSTOCK_CANCEL_SEED=7 go test ./internal/cancelmatrix                   # a failure once more
//
// A seed is a pipeline with all its moments. The scheduler's choices are not repeated.
package cancelmatrix
