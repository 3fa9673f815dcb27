// Package killmatrix kills jobs of sources, pools, sinks and checkpoints at every
// dangerous moment, resumes them until they are done, and compares what they wrote
// with what an undisturbed run writes. It holds tests only.
//
//	go test ./internal/killmatrix                                              # a short form
//	PENSTOCK_KILL=long go test -timeout 20m -parallel 6 ./internal/killmatrix  # every operation
//	PENSTOCK_KILL_SEED=7 go test ./internal/killmatrix                         # a failure once more
package killmatrix
