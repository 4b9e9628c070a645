package s3

// The documents of the sub-resources, as their schemas say.
// Source: Amazon S3 API Reference, "Data Types".

func tagShape() *shape { return tree(must("Key", free()), must("Value", free())) }

func encryptionShape() *shape {
	return tree(slot{"Rule", tree(
		may("ApplyServerSideEncryptionByDefault", tree(
			must("SSEAlgorithm", oneOf("AES256", "aws:kms", "aws:kms:dsse")),
			may("KMSMasterKeyID", free()),
		)),
		may("BucketKeyEnabled", truth()),
		may("BlockedEncryptionTypes", tree(any0("EncryptionType", oneOf("NONE", "SSE-C")))),
	), 1, 1})
}

func publicAccessShape() *shape {
	return tree(may("BlockPublicAcls", truth()), may("IgnorePublicAcls", truth()), may("BlockPublicPolicy", truth()), may("RestrictPublicBuckets", truth()))
}

func loggingShape() *shape {
	grantee := tree(may("ID", free()), may("DisplayName", free()), may("EmailAddress", free()), may("URI", free()))
	return tree(may("LoggingEnabled", tree(
		must("TargetBucket", free()),
		must("TargetPrefix", free()),
		may("TargetGrants", tree(any0("Grant", tree(may("Grantee", grantee), may("Permission", oneOf("FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP")))))),
		may("TargetObjectKeyFormat", tree(
			may("SimplePrefix", tree()),
			may("PartitionedPrefix", tree(may("PartitionDateSource", oneOf("EventTime", "DeliveryTime")))),
		)),
	)))
}

func accelerateShape() *shape { return tree(may("Status", free())) }

func requestPaymentShape() *shape { return tree(must("Payer", oneOf("Requester", "BucketOwner"))) }

func storageClass() *shape {
	return oneOf("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE",
		"OUTPOSTS", "GLACIER_IR", "SNOW", "EXPRESS_ONEZONE")
}

func lifecycleShape() *shape {
	status := oneOf("Enabled", "Disabled")
	and := tree(may("Prefix", free()), any0("Tag", tagShape()), may("ObjectSizeGreaterThan", whole()), may("ObjectSizeLessThan", whole()))
	return tree(slot{"Rule", tree(
		may("ID", free()),
		may("Prefix", free()),
		must("Status", status),
		may("Filter", tree(may("Prefix", free()), may("Tag", tagShape()), may("ObjectSizeGreaterThan", whole()), may("ObjectSizeLessThan", whole()), may("And", and))),
		may("Expiration", tree(may("Date", date()), may("Days", whole()), may("ExpiredObjectDeleteMarker", truth()))),
		any0("Transition", tree(may("Date", date()), may("Days", whole()), must("StorageClass", storageClass()))),
		may("NoncurrentVersionExpiration", tree(must("NoncurrentDays", whole()), may("NewerNoncurrentVersions", whole()))),
		any0("NoncurrentVersionTransition", tree(must("NoncurrentDays", whole()), may("NewerNoncurrentVersions", whole()), must("StorageClass", storageClass()))),
		may("AbortIncompleteMultipartUpload", tree(must("DaysAfterInitiation", whole()))),
	), 1, 0})
}

func websiteShape() *shape {
	rule := tree(
		may("Condition", tree(may("HttpErrorCodeReturnedEquals", free()), may("KeyPrefixEquals", free()))),
		must("Redirect", tree(may("HostName", free()), may("HttpRedirectCode", free()), may("Protocol", free()), may("ReplaceKeyPrefixWith", free()), may("ReplaceKeyWith", free()))),
	)
	return tree(
		may("IndexDocument", tree(must("Suffix", free()))),
		may("ErrorDocument", tree(must("Key", free()))),
		may("RedirectAllRequestsTo", tree(must("HostName", free()), may("Protocol", free()))),
		may("RoutingRules", tree(some("RoutingRule", rule))),
	)
}

func replicationShape() *shape {
	status := oneOf("Enabled", "Disabled")
	toggle := func() *shape { return tree(must("Status", status)) }
	return tree(
		must("Role", free()),
		some("Rule", tree(
			may("ID", free()), may("Priority", whole()), may("Prefix", free()),
			may("Filter", tree(may("Prefix", free()), may("Tag", tagShape()), may("And", tree(may("Prefix", free()), any0("Tag", tagShape()))))),
			must("Status", status),
			may("SourceSelectionCriteria", tree(may("SseKmsEncryptedObjects", toggle()), may("ReplicaModifications", toggle()))),
			may("ExistingObjectReplication", toggle()),
			must("Destination", tree(
				must("Bucket", free()), may("Account", free()), may("StorageClass", storageClass()),
				may("AccessControlTranslation", tree(must("Owner", oneOf("Destination")))),
				may("EncryptionConfiguration", tree(may("ReplicaKmsKeyID", free()))),
				may("ReplicationTime", tree(must("Status", status), must("Time", tree(may("Minutes", whole()))))),
				may("Metrics", tree(must("Status", status), may("EventThreshold", tree(may("Minutes", whole()))))),
			)),
			may("DeleteMarkerReplication", tree(may("Status", status))),
		)),
	)
}

func inventoryShape() *shape {
	return tree(
		must("Id", free()),
		must("IsEnabled", truth()),
		may("Filter", tree(must("Prefix", free()))),
		must("Destination", tree(must("S3BucketDestination", tree(
			may("AccountId", free()), must("Bucket", free()), must("Format", oneOf("CSV", "ORC", "Parquet")), may("Prefix", free()),
			may("Encryption", tree(may("SSE-S3", tree()), may("SSE-KMS", tree(must("KeyId", free()))))),
		)))),
		must("Schedule", tree(must("Frequency", oneOf("Daily", "Weekly")))),
		must("IncludedObjectVersions", oneOf("All", "Current")),
		may("OptionalFields", tree(any0("Field", oneOf("Size", "LastModifiedDate", "StorageClass", "ETag", "IsMultipartUploaded", "ReplicationStatus",
			"EncryptionStatus", "ObjectLockRetainUntilDate", "ObjectLockMode", "ObjectLockLegalHoldStatus", "IntelligentTieringAccessTier",
			"BucketKeyStatus", "ChecksumAlgorithm", "ObjectAccessControlList", "ObjectOwner", "LifecycleExpirationDate")))),
	)
}

func analyticsShape() *shape {
	return tree(
		must("Id", free()),
		may("Filter", tree(may("Prefix", free()), may("Tag", tagShape()), may("And", tree(may("Prefix", free()), any0("Tag", tagShape()))))),
		must("StorageClassAnalysis", tree(may("DataExport", tree(
			must("OutputSchemaVersion", oneOf("V_1")),
			must("Destination", tree(must("S3BucketDestination", tree(
				must("Format", oneOf("CSV")), may("BucketAccountId", free()), must("Bucket", free()), may("Prefix", free()),
			)))),
		)))),
	)
}

func metricsShape() *shape {
	return tree(must("Id", free()), may("Filter", tree(may("Prefix", free()), may("Tag", tagShape()), may("AccessPointArn", free()),
		may("And", tree(may("Prefix", free()), any0("Tag", tagShape()), may("AccessPointArn", free()))))))
}

func tieringShape() *shape {
	return tree(
		must("Id", free()),
		may("Filter", tree(may("Prefix", free()), may("Tag", tagShape()), may("And", tree(may("Prefix", free()), any0("Tag", tagShape()))))),
		must("Status", oneOf("Enabled", "Disabled")),
		some("Tiering", tree(must("AccessTier", oneOf("ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS")), must("Days", whole()))),
	)
}
