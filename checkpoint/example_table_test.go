package checkpoint_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite"

	"github.com/penstock-go/penstock/checkpoint"
)

// The data and what is done of the source are committed together. A run that was
// taken over from can commit neither.
func ExampleTable_SaveIn() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	if _, err := db.ExecContext(ctx, "CREATE TABLE flights (id int)"); err != nil {
		fmt.Println(err)
		return
	}
	write := func(store *checkpoint.Table, id int, epoch uint64) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO flights VALUES (?)", id); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := store.SaveIn(ctx, tx, checkpoint.State{Epoch: epoch}); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}

	first := checkpoint.NewTable(db, "penstock_checkpoints", "flights")
	second := checkpoint.NewTable(db, "penstock_checkpoints", "flights")
	fmt.Println(first.Open(ctx), write(first, 1, 1))
	fmt.Println(second.Open(ctx)) // a run that starts while the first is not dead yet
	fmt.Println(errors.Is(write(first, 2, 2), checkpoint.ErrFenced))
	s, ok, err := second.Load(ctx)
	fmt.Println(s.Epoch, ok, err)
	fmt.Println(write(second, 2, 2))
	committed, err := second.Verify(ctx, 2)
	fmt.Println(committed, err)
	// Output:
	// <nil> <nil>
	// <nil>
	// true
	// 1 true <nil>
	// <nil>
	// true <nil>
}
