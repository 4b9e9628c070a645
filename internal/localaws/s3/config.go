package s3

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/controllers"

	"github.com/tintype/tintype/internal/localaws/db"
)

// maxConfigurations is how many inventories, metrics … one page of a listing shows.
// Source: Amazon S3 API Reference, ListBucketInventoryConfigurations.
const maxConfigurations = 100

// Kinds of configuration that something else here reads, too.
const (
	kindPublicAccess = "publicAccessBlock"
	kindLifecycle    = "lifecycle"
	kindEncryption   = "encryption"
)

// A configuration is a sub-resource of buckets that is kept and shown as a document.
type configuration struct {
	kind     string // name in the query, and in the store
	root     string // root element
	shape    *shape
	get, put auth.Action
	list     string // root of a listing, where a bucket has several, told apart by id
	status   int    // of a successful PUT; 0 is 200
	initial  *element
	missing  func(bucket string) error
	// check looks at what a shape cannot say.
	check func(q configRequest, doc *element) error
	// undeletable documents have no DELETE.
	undeletable bool
}

// configRequest is what check may want to know.
type configRequest struct {
	tx     *db.Tx
	s      *Service
	c      fiber.Ctx
	bucket bucket
	id     string
}

func notThere(code, message string) func(string) error {
	return func(bucket string) error { return failure(http.StatusNotFound, code, message, "BucketName", bucket) }
}

func noSuchConfiguration(string) error {
	return failure(http.StatusNotFound, "NoSuchConfiguration", "The specified configuration does not exist.")
}

// configurations lists them.
func configurations() []configuration {
	return []configuration{
		{kind: kindEncryption, root: "ServerSideEncryptionConfiguration", shape: encryptionShape(), check: checkEncryption,
			get: auth.GetEncryptionConfigurationAction, put: auth.PutEncryptionConfigurationAction,
			initial: branch("ServerSideEncryptionConfiguration", branch("Rule",
				branch("ApplyServerSideEncryptionByDefault", leaf("SSEAlgorithm", "AES256")), leaf("BucketKeyEnabled", "false")))},
		{kind: kindPublicAccess, root: "PublicAccessBlockConfiguration", shape: publicAccessShape(), check: completePublicAccess,
			get: auth.GetBucketPublicAccessBlockAction, put: auth.PutBucketPublicAccessBlockAction,
			missing: notThere("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")},
		{kind: kindLifecycle, root: "LifecycleConfiguration", shape: lifecycleShape(), check: checkLifecycle,
			get: auth.GetLifecycleConfigurationAction, put: auth.PutLifecycleConfigurationAction,
			missing: notThere("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")},
		{kind: "website", root: "WebsiteConfiguration", shape: websiteShape(), check: checkWebsite,
			get: auth.GetBucketWebsiteAction, put: auth.PutBucketWebsiteAction,
			missing: notThere("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")},
		{kind: "logging", root: "BucketLoggingStatus", shape: loggingShape(), check: checkLogging, undeletable: true,
			get: auth.GetBucketLoggingAction, put: auth.PutBucketLoggingAction, initial: branch("BucketLoggingStatus")},
		{kind: "accelerate", root: "AccelerateConfiguration", shape: accelerateShape(), check: checkAccelerate, undeletable: true,
			get: auth.GetAccelerateConfigurationAction, put: auth.PutAccelerateConfigurationAction, initial: branch("AccelerateConfiguration")},
		{kind: "requestPayment", root: "RequestPaymentConfiguration", shape: requestPaymentShape(), undeletable: true,
			get: auth.GetBucketRequestPaymentAction, put: auth.PutBucketRequestPaymentAction,
			initial: branch("RequestPaymentConfiguration", leaf("Payer", "BucketOwner"))},
		{kind: "replication", root: "ReplicationConfiguration", shape: replicationShape(), check: checkReplication,
			get: auth.GetReplicationConfigurationAction, put: auth.PutReplicationConfigurationAction,
			missing: notThere("ReplicationConfigurationNotFoundError", "The replication configuration was not found")},
		{kind: "inventory", root: "InventoryConfiguration", shape: inventoryShape(), check: checkInventory, list: "ListInventoryConfigurationsResult",
			get: auth.GetInventoryConfigurationAction, put: auth.PutInventoryConfigurationAction, missing: noSuchConfiguration, status: http.StatusNoContent},
		{kind: "analytics", root: "AnalyticsConfiguration", shape: analyticsShape(), check: checkID, list: "ListBucketAnalyticsConfigurationsResult",
			get: auth.GetAnalyticsConfigurationAction, put: auth.PutAnalyticsConfigurationAction, missing: noSuchConfiguration, status: http.StatusNoContent},
		{kind: "metrics", root: "MetricsConfiguration", shape: metricsShape(), check: checkID, list: "ListMetricsConfigurationsResult",
			get: auth.GetMetricsConfigurationAction, put: auth.PutMetricsConfigurationAction, missing: noSuchConfiguration, status: http.StatusNoContent},
		{kind: "intelligent-tiering", root: "IntelligentTieringConfiguration", shape: tieringShape(), check: checkID, list: "ListBucketIntelligentTieringConfigurationsResult",
			get: auth.GetIntelligentTieringConfigurationAction, put: auth.PutIntelligentTieringConfigurationAction, missing: noSuchConfiguration, status: http.StatusNoContent},
	}
}

// configOps are their operations.
func (t *table) configOps() []op {
	var ops []op
	for _, k := range configurations() {
		action := func(verb string) string { return verb + " " + k.kind }
		q := []string{k.kind}
		if k.list != "" {
			ops = append(ops,
				op{method: http.MethodGet, query: []string{k.kind, "id"}, run: t.op(way{action: action("Get"), public: k.get}, t.getConfig(k))},
				op{method: http.MethodGet, query: q, run: t.op(way{action: action("List"), public: k.get}, t.listConfigs(k))})
		} else {
			ops = append(ops, op{method: http.MethodGet, query: q, run: t.op(way{action: action("Get"), public: k.get}, t.getConfig(k))})
		}
		ops = append(ops, op{method: http.MethodPut, query: q, run: t.op(way{action: action("Put"), public: k.put, document: true}, t.putConfig(k))})
		if !k.undeletable {
			ops = append(ops, op{method: http.MethodDelete, query: q, run: t.op(way{action: action("Delete"), public: k.put}, t.deleteConfig(k))})
		}
	}
	return ops
}

func (k configuration) id(c fiber.Ctx) string {
	if k.list == "" {
		return ""
	}
	return c.Query("id")
}

// config reads a document; nil where there is none.
func (s *Service) config(ctx context.Context, bucketID int64, kind, id string) ([]byte, error) {
	var doc []byte
	err := s.db.Read().QueryRowContext(requestOf(ctx).ctx, `SELECT doc FROM s3_configs WHERE bucket = ? AND kind = ? AND id = ?`, bucketID, kind, id).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return doc, err
}

func (t *table) getConfig(k configuration) controllers.Controller {
	return func(c fiber.Ctx) (*controllers.Response, error) {
		resp := &controllers.Response{Headers: map[string]*string{}}
		name := c.Params("bucket")
		id, err := t.s.bucketID(c.RequestCtx(), name)
		if err != nil {
			return resp, err
		}
		doc, err := t.s.config(c.RequestCtx(), id, k.kind, k.id(c))
		switch {
		case err != nil:
			return resp, err
		case doc == nil && k.initial == nil:
			return resp, k.missing(name)
		case doc == nil:
			doc = k.initial.encode()
		case k.kind == kindLifecycle:
			size, rest := splitLifecycle(doc)
			doc = rest
			resp.Headers[transitionHeader] = &size
		}
		c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
		resp.Data = doc
		return resp, nil
	}
}

func (t *table) putConfig(k configuration) controllers.Controller {
	return func(c fiber.Ctx) (*controllers.Response, error) {
		resp := &controllers.Response{Headers: map[string]*string{}, MetaOpts: &controllers.MetaOptions{Status: k.status}}
		name := c.Params("bucket")
		if _, err := t.s.bucketID(c.RequestCtx(), name); err != nil {
			return resp, err // before the document is looked at, as S3 does
		}
		doc, err := readDocument(c.BodyRaw(), k.root, k.shape)
		if err != nil {
			return resp, err
		}
		id := k.id(c)
		return resp, t.s.update(c.RequestCtx(), func(tx *db.Tx) error {
			b, err := bucketTx(tx, name)
			if err != nil {
				return err
			}
			if k.check != nil {
				if err := k.check(configRequest{tx, t.s, c, b, id}, doc); err != nil {
					return err
				}
			}
			stored := doc.encode()
			if k.kind == kindLifecycle {
				size := lifecycleSize(c)
				resp.Headers[transitionHeader] = &size
				stored = joinLifecycle(size, stored)
			}
			if _, err := tx.Exec(`INSERT INTO s3_configs (bucket, kind, id, doc) VALUES (?, ?, ?, ?)
				ON CONFLICT (bucket, kind, id) DO UPDATE SET doc = excluded.doc`, b.id, k.kind, id, stored); err != nil {
				return err
			}
			t.s.forget(tx, name)
			return nil
		})
	}
}

func (t *table) deleteConfig(k configuration) controllers.Controller {
	return func(c fiber.Ctx) (*controllers.Response, error) {
		resp := &controllers.Response{MetaOpts: &controllers.MetaOptions{Status: http.StatusNoContent}}
		name := c.Params("bucket")
		return resp, t.s.update(c.RequestCtx(), func(tx *db.Tx) error {
			b, err := bucketTx(tx, name)
			if err != nil {
				return err
			}
			res, err := tx.Exec(`DELETE FROM s3_configs WHERE bucket = ? AND kind = ? AND id = ?`, b.id, k.kind, k.id(c))
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err == nil && n == 0 && k.list != "" {
				return k.missing(name)
			}
			t.s.forget(tx, name)
			return nil
		})
	}
}

func (t *table) listConfigs(k configuration) controllers.Controller {
	return func(c fiber.Ctx) (*controllers.Response, error) {
		resp := &controllers.Response{}
		ctx := c.RequestCtx()
		id, err := t.s.bucketID(ctx, c.Params("bucket"))
		if err != nil {
			return resp, err
		}
		// The token is the last id shown. Cloned: the query's memory is reused.
		token := strings.Clone(c.Query("continuation-token"))
		rows, err := t.s.db.Read().QueryContext(requestOf(ctx).ctx,
			`SELECT id, doc FROM s3_configs WHERE bucket = ? AND kind = ? AND id > ? ORDER BY id LIMIT ?`, id, k.kind, token, maxConfigurations+1)
		if err != nil {
			return resp, err
		}
		defer rows.Close()
		out := branch(k.list)
		last, more := "", false
		for rows.Next() {
			var id string
			var doc []byte
			if err := rows.Scan(&id, &doc); err != nil {
				return resp, err
			}
			if len(out.kids) == maxConfigurations {
				more = true
				break
			}
			e, err := parseElement(doc)
			if err != nil {
				return resp, err
			}
			out.kids = append(out.kids, e)
			last = id
		}
		if err := rows.Err(); err != nil {
			return resp, err
		}
		if token != "" {
			out.kids = append(out.kids, leaf("ContinuationToken", token))
		}
		out.kids = append(out.kids, leaf("IsTruncated", map[bool]string{true: "true", false: "false"}[more]))
		if more {
			out.kids = append(out.kids, leaf("NextContinuationToken", last))
		}
		c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
		resp.Data = out.encode()
		return resp, nil
	}
}
