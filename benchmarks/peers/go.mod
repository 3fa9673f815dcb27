module github.com/penstock-go/penstock/benchmarks/peers

go 1.26.0

replace github.com/penstock-go/penstock => ../..

require (
	github.com/alitto/pond/v2 v2.7.1
	github.com/destel/rill v0.8.0
	github.com/penstock-go/penstock v0.0.0-00010101000000-000000000000
	github.com/reugn/go-streams v0.13.0
	github.com/sourcegraph/conc v0.3.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
	golang.org/x/sync v0.24.0
)

require (
	github.com/bmatcuk/doublestar/v4 v4.10.4 // indirect
	github.com/go-json-experiment/json v0.0.0-20260820222146-c27c302e5fc3 // indirect
	github.com/jszwec/csvutil v1.10.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/klauspost/pgzip v1.3.0 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	go.uber.org/zap v1.28.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
