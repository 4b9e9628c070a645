package app

import (
	"context"

	"github.com/tintype/tintype/internal/audit"
	"github.com/tintype/tintype/internal/queue"
)

// maxPeek is how many messages of the work queue a look takes at most: nobody else has them
// while it lasts.
const maxPeek = 1000

// letters looks at the messages of a queue, at most limit (0: all), and leaves them there.
func (s *survey) letters(url string, limit int) audit.Letters {
	return func(ctx context.Context, each func(string)) (unseen int64, err error) {
		look := queue.NewLook(s.d.clients.SQS, url, queue.LookOptions{Limit: limit})
		n := int64(0)
		for letter, err := range look.All(ctx) {
			if err != nil {
				return 0, err
			}
			n++
			each(letter.Body)
		}
		return max(look.Depth()-n, look.Elsewhere(), 0), nil
	}
}
