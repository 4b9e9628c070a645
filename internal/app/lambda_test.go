package app

import (
	"testing"

	"github.com/tintype/tintype/internal/config"
)

func TestLambdaImageMemory(t *testing.T) {
	cfg := config.Default()
	cfg.App.Workers = 2
	for megabytes, want := range map[string]int64{
		"": cfg.App.ImageMemory, "lots": cfg.App.ImageMemory, "-1": cfg.App.ImageMemory,
		"3008": 1376 << 20, "10240": 3 << 30, "512": config.LeastImageMemory, "128": config.LeastImageMemory,
	} {
		if got := lambdaImageMemory(cfg, megabytes); got != want {
			t.Errorf("of %q MB: %d, want %d", megabytes, got, want)
		}
	}
}
