package app

import (
	"context"
	"fmt"
	"os"
	"strconv"

	runtime "github.com/aws/aws-lambda-go/lambda"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/lambda"
	"github.com/tintype/tintype/internal/provision"
)

// Lambda is the app tier as a function of AWS Lambda: it asks the runtime API for batches of
// messages, which an event source mapping takes from the queue, until ctx ends. Nothing is
// started that would go on between two batches: Lambda freezes the process then.
func Lambda(ctx context.Context, cfg config.Config, out IO) error {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		return refuse("run `tintype app` elsewhere", "this command serves AWS Lambda, which is not here: AWS_LAMBDA_RUNTIME_API is not set")
	}
	log := logger(cfg, out.Err).With("tier", "app", "in", "lambda")
	book, err := recipes(cfg)
	if err != nil {
		return err
	}
	cfg.App.ImageMemory = lambdaImageMemory(cfg, os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
	engine, timeout, err := openImager(cfg, log)
	if err != nil {
		return err
	}
	defer engine.Close()
	c, err := loadAWS(ctx, cfg, log)
	if err != nil {
		return err
	}
	d, err := openDeployment(cfg, c)
	if err != nil {
		return err
	}
	// Waiting for an endpoint is the mapping's: the messages of a function that does not
	// start come again.
	res, err := provision.Find(ctx, d.clients, d.spec)
	if err != nil {
		return err
	}
	w, err := newWorker(cfg, book, d, res, engine, timeout, nil, log, nil)
	if err != nil {
		return err
	}
	f, err := lambda.New(lambda.Options{Handle: w.Handle, Slots: slots(cfg), Logger: log})
	if err != nil {
		return err
	}
	fmt.Fprintln(out.Out, "The app tier takes batches of queue "+cfg.Names.Queue+" from AWS Lambda.")
	// It returns only by ending the program, where the runtime API does not answer.
	go runtime.StartWithOptions(f.Batch)
	<-ctx.Done()
	f.Wait()
	return nil
}

// lambdaOwn is the part of a function's memory that is not the imaging processes', bytes:
// the program's own, with originals and outputs on their way.
const lambdaOwn = 256 << 20

// lambdaImageMemory divides the function's memory, which the environment tells in MB, among
// the imaging processes: one that takes more is an image's fault, before the function is killed
// for it together with the whole batch.
func lambdaImageMemory(cfg config.Config, megabytes string) int64 {
	mb, err := strconv.ParseInt(megabytes, 10, 64)
	if err != nil || mb < 1 {
		return cfg.App.ImageMemory
	}
	share := (mb<<20 - lambdaOwn) / int64(cfg.App.Workers)
	return min(cfg.App.ImageMemory, max(share, config.LeastImageMemory))
}
