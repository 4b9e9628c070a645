package sqs

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// Options configure New.
type Options struct {
	Account string // twelve digits; default "000000000000"
	Region  string // default "us-east-1"
	// Policy evaluates a queue's policy for a calling service. nil: no policy allows
	// anything, so that only the owner may send.
	Policy func(policyJSON, service, action, resource, sourceARN, sourceAccount string) bool
	// Settle makes callers wait as long as AWS takes: for 60 seconds CreateQueue refuses the
	// name of a queue that was deleted (QueueDeletedRecently) and PurgeQueue a queue that
	// was purged (PurgeQueueInProgress). Off, both are done at once, which is what those
	// want who make or empty their queues before each of their tests.
	Settle bool
	Logger *slog.Logger // nil: nothing is logged
}

// Service is SQS. It is safe for concurrent use.
type Service struct {
	db      *db.DB
	opts    Options
	log     *slog.Logger
	sql     statements
	key     []byte        // signs receipt handles; persisted
	closing chan struct{} // closed when Run ends: long polls answer at once
	once    sync.Once     // closes closing
	garbage chan struct{} // tells Run that a spool has died
	moves   chan struct{} // tells Run that a message move task began or is to end

	mu     sync.RWMutex
	queues map[string]*queue // by name; changed by commit hooks alone
}

// New returns the service on d, whose schemas must include Schema. It needs Run for
// its background work.
func New(d *db.DB, opts Options) (*Service, error) {
	if opts.Account == "" {
		opts.Account = "000000000000"
	}
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		db: d, opts: opts, log: opts.Logger.With("service", "sqs"), sql: newStatements(), queues: map[string]*queue{},
		closing: make(chan struct{}), garbage: make(chan struct{}, 1), moves: make(chan struct{}, 1),
	}
	if err := s.loadKey(); err != nil {
		return nil, fmt.Errorf("sqs: receipt handle key: %w", err)
	}
	if err := s.loadQueues(); err != nil {
		return nil, fmt.Errorf("sqs: load queues: %w", err)
	}
	return s, nil
}

// loadKey reads the key that signs receipt handles, making it at the first start:
// handles given out before a restart stay good.
func (s *Service) loadKey() error {
	return s.db.Update(context.Background(), func(tx *db.Tx) error {
		err := tx.QueryRow("SELECT value FROM sqs_meta WHERE name = 'receipt-key'").Scan(&s.key)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		s.key = make([]byte, 32)
		rand.Read(s.key)
		_, err = tx.Exec("INSERT INTO sqs_meta (name, value) VALUES ('receipt-key', ?)", s.key)
		return err
	})
}

func (s *Service) loadQueues() error {
	rows, err := s.db.Read().QueryContext(context.Background(), "SELECT "+queueColumns+" FROM sqs_queues")
	if err != nil {
		return err
	}
	defer rows.Close()
	now := time.Now().UnixMilli()
	for rows.Next() {
		var r queueRow
		if err := r.scan(rows); err != nil {
			return err
		}
		q, err := s.newQueue(&r)
		if err != nil {
			return err
		}
		var n int64
		if err := s.db.Read().QueryRowContext(context.Background(), countInvisible, r.spool, now).Scan(&n); err != nil {
			return err
		}
		q.inFlight.Store(n)
		s.queues[r.name] = q
	}
	return rows.Err()
}

// queueRow is a queue as it is stored.
type queueRow struct {
	id, spool, created, modified int64
	name                         string
	attributes, tags             map[string]string
	scope                        string // DeduplicationScope when it was made; empty: not FIFO
	purged                       int64  // when it was last purged
}

const queueColumns = "id, name, spool, created, modified, attributes, tags, scope, purged"

// scanner is sql.Row, sql.Rows or db.Row.
type scanner interface{ Scan(dest ...any) error }

func (r *queueRow) scan(sc scanner) error {
	var attributes, tags string
	if err := sc.Scan(&r.id, &r.name, &r.spool, &r.created, &r.modified, &attributes, &tags, &r.scope, &r.purged); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(attributes), &r.attributes); err != nil {
		return fmt.Errorf("queue %s: attributes: %w", r.name, err)
	}
	if err := json.Unmarshal([]byte(tags), &r.tags); err != nil {
		return fmt.Errorf("queue %s: tags: %w", r.name, err)
	}
	return nil
}

const selectQueue = "SELECT " + queueColumns + " FROM sqs_queues WHERE name = ?"

// stored reads a queue inside a transaction: what q holds in memory lags behind
// changes of the same commit. A deleted queue is QueueDoesNotExist.
func stored(tx *db.Tx, name string) (*queueRow, error) {
	var r queueRow
	err := r.scan(tx.QueryRow(selectQueue, name))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoQueue()
	}
	return &r, err
}

// save writes a queue's attributes and tags and, once they are durable, makes them
// the ones in force.
func (s *Service) save(tx *db.Tx, r *queueRow) error {
	cfg, err := s.settings(r)
	if err != nil {
		return err
	}
	attributes, err := json.Marshal(r.attributes)
	if err != nil {
		return err
	}
	tags, err := json.Marshal(r.tags)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE sqs_queues SET modified = ?, attributes = ?, tags = ? WHERE id = ?", r.modified, string(attributes), string(tags), r.id); err != nil {
		return err
	}
	tx.OnCommit(func() {
		if q := s.byName(r.name); q != nil {
			q.cfg.Store(cfg)
		}
	})
	return nil
}

func (s *Service) byName(name string) *queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.queues[name]
}

// byURL finds the queue that a URL names: by its last segment, whatever the host, as
// callers reach the endpoint by many names.
func (s *Service) byURL(url *string) (*queue, error) {
	if url == nil || *url == "" {
		return nil, missing("QueueUrl")
	}
	name := *url
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	if q := s.byName(name); q != nil {
		return q, nil
	}
	return nil, errNoQueue()
}

// byARN finds a queue of this account and region by its ARN.
func (s *Service) byARN(arn string) *queue {
	name, ok := strings.CutPrefix(arn, s.arn(""))
	if !ok {
		return nil
	}
	return s.byName(name)
}

func (s *Service) arn(name string) string {
	return "arn:aws:sqs:" + s.opts.Region + ":" + s.opts.Account + ":" + name
}

func (s *Service) url(baseURL, name string) string {
	return baseURL + "/" + s.opts.Account + "/" + name
}

// Allows tells whether the queue's policy lets a service ("sns.amazonaws.com") send
// to it on behalf of sourceARN. A queue without a policy, or that does not exist,
// allows nobody but its owner.
func (s *Service) Allows(queueARN, service, sourceARN, sourceAccount string) bool {
	q := s.byARN(queueARN)
	if q == nil || s.opts.Policy == nil {
		return false
	}
	policy := q.cfg.Load().policy
	return policy != "" && s.opts.Policy(policy, service, "SQS:SendMessage", queueARN, sourceARN, sourceAccount)
}
