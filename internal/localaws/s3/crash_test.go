package s3

const childDir = "TINTYPE_S3_TEST_CHILD"

func child(string) {}
