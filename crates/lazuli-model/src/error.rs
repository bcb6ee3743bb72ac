//! Azure's error codes, with the status and message of each: the one table errors are rendered from.
//!
//! Sources: [common codes], [Blob codes], [Queue codes] and [Table codes] of the REST reference.
//!
//! [common codes]: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
//! [Blob codes]: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
//! [Queue codes]: https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes
//! [Table codes]: https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes

use std::borrow::Cow;
use std::fmt;

macro_rules! error_codes {
    ($($name:ident $status:literal $message:literal)*) => {
        /// A documented Azure Storage error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $message] $name,)*
        }

        impl ErrorCode {
            /// Every code, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it appears in `x-ms-error-code` and in the body's `<Code>`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The HTTP status the code usually comes with; a [`Refusal`] may carry another.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The documented message.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

error_codes! {
    AccessTierNotSupportedForBlobType 400 "The access tier is not supported for this blob type."
    AccountAlreadyExists 409 "The specified account already exists."
    AccountBeingCreated 409 "The specified account is in the process of being created."
    AccountIsDisabled 403 "The specified account is disabled."
    AppendPositionConditionNotMet 412 "The append position condition specified was not met."
    AtomFormatNotSupported 415 "Atom format is not supported."
    AuthenticationFailed 403 "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature."
    AuthorizationFailure 403 "This request is not authorized to perform this operation."
    AuthorizationPermissionMismatch 403 "This request is not authorized to perform this operation using this permission."
    AuthorizationProtocolMismatch 403 "This request is not authorized to perform this operation using this protocol."
    AuthorizationResourceTypeMismatch 403 "This request is not authorized to perform this operation using this resource type."
    AuthorizationServiceMismatch 403 "This request is not authorized to perform this operation using this service."
    AuthorizationSourceIPMismatch 403 "This request is not authorized to perform this operation using this source IP."
    BlobAccessTierNotSupportedForAccountType 400 "The access tier is not supported for this account type."
    BlobAlreadyExists 409 "The specified blob already exists."
    BlobArchived 409 "This operation is not permitted on an archived blob."
    BlobBeingRehydrated 409 "This operation is not permitted because the blob is being rehydrated."
    BlobCustomerSpecifiedEncryptionMismatch 409 "The given customer specified encryption does not match the encryption used to encrypt the blob."
    BlobDoesNotUseCustomerSpecifiedEncryption 409 "The given blob does not use customer-specified encryption."
    BlobImmutableDueToPolicy 409 "This operation is not permitted as the blob is immutable due to a policy."
    BlobIsSealed 409 "The specified blob is sealed, and its contents can't be modified unless the blob is re-created after a delete."
    BlobNotArchived 409 "This blob is currently not in the archived state."
    BlobNotFound 404 "The specified blob does not exist."
    BlobOverwritten 409 "The blob has been recreated since the previous snapshot was taken."
    BlobTierInadequateForContentLength 409 "The specified blob tier size limit cannot be less than content length."
    BlobUsesCustomerSpecifiedEncryption 409 "The blob is encrypted with customer specified encryption, but it was not provided in the request."
    BlockCountExceedsLimit 409 "The committed block count cannot exceed the maximum limit of 50,000 blocks."
    BlockListTooLong 400 "The block list may not contain more than 50,000 blocks."
    BothCrc64AndMd5HeaderPresent 400 "Both x-ms-content-crc64 header and Content-MD5 header are present."
    BothUserTagsAndSourceTagsCopyPresentException 400 "x-ms-tags header must not be present with x-ms-copy-source-tag-option as COPY."
    CannotChangeToLowerTier 409 "A higher blob tier has already been explicitly set."
    CannotVerifyCopySource 500 "Could not verify the copy source within the specified time. Examine the HTTP status code and message for more information about the failure."
    CommandsInBatchActOnDifferentPartitions 400 "All commands in a batch must operate on same entity group."
    ConditionHeadersNotSupported 400 "Condition headers are not supported."
    ConditionNotMet 412 "The condition specified using HTTP conditional header(s) is not met."
    ContainerAlreadyExists 409 "The specified container already exists."
    ContainerBeingDeleted 409 "The specified container is being deleted."
    ContainerDisabled 409 "The specified container has been disabled by the administrator."
    ContainerNotFound 404 "The specified container does not exist."
    ContentLengthLargerThanTierLimit 409 "The blob's content length cannot exceed its tier limit."
    CopyAcrossAccountsNotSupported 400 "The copy source account and destination account must be the same."
    CopyIdMismatch 409 "The specified copy ID did not match the copy ID for the pending copy operation."
    CorsPreflightFailure 403 "CORS not enabled or no matching rule found for this request."
    Crc64Mismatch 400 "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server."
    DirectoryIsNotEmpty 409 "This operation is not permitted on a non-empty directory."
    DuplicatePropertiesSpecified 400 "A property is specified more than one time."
    DuplicateTagNames 400 "The tags specified contain duplicate names."
    EmptyMetadataKey 400 "The key for one of the metadata key-value pairs is empty."
    EmptyTagName 400 "The name of one of the tag key-value pairs is empty."
    EntityAlreadyExists 409 "The specified entity already exists."
    EntityNotFound 404 "The specified entity does not exist."
    EntityTooLarge 400 "The entity is larger than the maximum size permitted."
    ErrorProcessingQueryExpression 400 "The query expression could not be processed."
    FeatureVersionMismatch 409 "The operation requires a newer version of the service."
    IncrementalCopyBlobMismatch 409 "The specified source blob is different than the copy source of the existing incremental copy blob."
    IncrementalCopyOfEarlierSnapshotNotAllowed 409 "The specified snapshot is earlier than the last snapshot copied into the incremental copy blob."
    IncrementalCopySourceMustBeSnapshot 409 "The source for incremental copy request must be a snapshot."
    InfiniteLeaseDurationRequired 412 "The lease ID matched, but the specified lease must be an infinite-duration lease."
    InsufficientAccountPermissions 403 "Read operations are currently disabled."
    InsufficientStorage 507 "The server has no space left to store the request."
    InternalError 500 "The server encountered an internal error. Please retry the request."
    InvalidAuthenticationInfo 400 "Authentication information is not given in the correct format. Check the value of Authorization header."
    InvalidBlobOrBlock 400 "The specified blob or block content is invalid."
    InvalidBlobTier 400 "The specified blob tier is invalid."
    InvalidBlobType 409 "The blob type is invalid for this operation."
    InvalidBlockId 400 "The specified block ID is invalid. The block ID must be Base64-encoded."
    InvalidBlockList 400 "The specified block list is invalid."
    InvalidDuplicateRow 400 "The batch request contains multiple changes with same row key. An entity can appear only once in a batch request."
    InvalidHeaderValue 400 "The value provided for one of the HTTP headers was not in the correct format."
    InvalidHttpVerb 400 "The HTTP verb specified was not recognized by the server."
    InvalidInput 400 "One of the request inputs is not valid."
    InvalidMd5 400 "The MD5 value specified in the request is invalid. The MD5 value must be 128 bits and Base64-encoded."
    InvalidMetadata 400 "The specified metadata is invalid. It includes characters that are not permitted."
    InvalidOperation 400 "Invalid operation against a blob snapshot."
    InvalidPageRange 416 "The page range specified is invalid."
    InvalidQueryParameterValue 400 "An invalid value was specified for one of the query parameters in the request URI."
    InvalidRange 416 "The range specified is invalid for the current size of the resource."
    InvalidResourceName 400 "The specified resource name contains invalid characters."
    InvalidSourceBlobType 409 "The copy source blob type is invalid for this operation."
    InvalidSourceBlobUrl 409 "The source URL for incremental copy request must be valid Azure Storage blob URL."
    InvalidTags 400 "The tags specified are invalid. It contains characters that are not permitted."
    InvalidUri 400 "The requested URI does not represent any resource on the server."
    InvalidValueType 400 "The value specified is invalid."
    InvalidVersionForPageBlobOperation 400 "All operations on page blobs require at least version 2009-09-19."
    InvalidXmlDocument 400 "The specified XML is not syntactically valid."
    InvalidXmlNodeValue 400 "The value provided for one of the XML nodes in the request body was not in the correct format."
    JsonFormatNotSupported 415 "JSON format is not supported."
    KeyBasedAuthenticationNotPermitted 403 "Key based authentication is not permitted on this storage account."
    KeyValueTooLarge 400 "The specified key is larger than 1024 bytes."
    LeaseAlreadyBroken 409 "The lease has already been broken and cannot be broken again."
    LeaseAlreadyPresent 409 "There is already a lease present."
    LeaseIdMismatchWithBlobOperation 412 "The lease ID specified did not match the lease ID for the blob."
    LeaseIdMismatchWithContainerOperation 412 "The lease ID specified did not match the lease ID for the container."
    LeaseIdMismatchWithLeaseOperation 409 "The lease ID specified did not match the lease ID for the blob/container."
    LeaseIdMissing 412 "There is currently a lease on the blob/container and no lease ID was specified in the request."
    LeaseIsBreakingAndCannotBeAcquired 409 "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken."
    LeaseIsBreakingAndCannotBeChanged 409 "The lease ID matched, but the lease is currently in breaking state and cannot be changed."
    LeaseIsBrokenAndCannotBeRenewed 409 "The lease ID matched, but the lease has been broken explicitly and cannot be renewed."
    LeaseLost 412 "A lease ID was specified, but the lease for the blob/container has expired."
    LeaseNotPresentWithBlobOperation 412 "There is currently no lease on the blob."
    LeaseNotPresentWithContainerOperation 412 "There is currently no lease on the container."
    LeaseNotPresentWithLeaseOperation 409 "There is currently no lease on the blob/container."
    MaxBlobSizeConditionNotMet 412 "The max blob size condition specified was not met."
    Md5Mismatch 400 "The MD5 value specified in the request did not match the MD5 value calculated by the server."
    MediaTypeNotSupported 415 "None of the provided media types are supported."
    MessageNotFound 404 "The specified message does not exist."
    MessageTooLarge 400 "The message exceeds the maximum allowed size."
    MetadataTooLarge 400 "The size of the specified metadata exceeds the maximum size permitted."
    MissingContentLengthHeader 411 "The Content-Length header was not specified."
    MissingRequiredHeader 400 "A required HTTP header was not specified."
    MissingRequiredQueryParameter 400 "A required query parameter was not specified for this request."
    MissingRequiredXmlNode 400 "A required XML node was not specified in the request body."
    MultipleConditionHeadersNotSupported 400 "Multiple condition headers are not supported."
    NoAuthenticationInformation 401 "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."
    NoPendingCopyOperation 409 "There is currently no pending copy operation."
    NotImplemented 501 "The requested operation is not implemented on this server."
    OperationNotAllowedOnIncrementalCopyBlob 409 "The specified operation is not allowed on an incremental copy blob."
    OperationNotAllowedOnRootBlob 403 "The specified operation is not allowed on root blob."
    OperationTimedOut 500 "The operation could not be completed within the permitted time."
    OutOfRangeInput 400 "One of the request inputs is out of range."
    OutOfRangeQueryParameterValue 400 "A query parameter specified in the request URI is outside the permissible range."
    PendingCopyOperation 409 "There is currently a pending copy operation."
    PopReceiptMismatch 400 "The specified pop receipt did not match the pop receipt for a dequeued message."
    PreviousSnapshotCannotBeNewer 400 "The prevsnapshot query parameter value cannot be newer than snapshot query parameter value."
    PreviousSnapshotNotFound 409 "The previous snapshot is not found."
    PreviousSnapshotOperationNotSupported 409 "Differential Get Page Ranges is not supported on the previous snapshot."
    PropertiesNeedValue 400 "The values are not specified for all properties in the entity."
    PropertyNameInvalid 400 "The property name is invalid."
    PropertyNameTooLong 400 "The property name exceeds the maximum allowed length (255)."
    PropertyValueTooLarge 400 "The property value exceeds the maximum allowed size (64KB). If the property value is a string, it is UTF-16 encoded and the maximum number of characters should be 32K or less."
    PublicAccessNotPermitted 409 "Public access is not permitted on this storage account."
    QueueAlreadyExists 409 "The specified queue already exists."
    QueueBeingDeleted 409 "The specified queue is being deleted."
    QueueDisabled 409 "The specified queue has been disabled by the administrator."
    QueueNotEmpty 409 "The specified queue is not empty."
    QueueNotFound 404 "The specified queue does not exist."
    RequestBodyTooLarge 413 "The size of the request body exceeds the maximum size permitted."
    RequestUrlFailedToParse 400 "The url in the request could not be parsed."
    ResourceAlreadyExists 409 "The specified resource already exists."
    ResourceNotFound 404 "The specified resource does not exist."
    ResourceTypeMismatch 409 "The specified resource type does not match the type of the existing resource."
    SequenceNumberConditionNotMet 412 "The sequence number condition specified was not met."
    SequenceNumberIncrementTooLarge 409 "The sequence number increment cannot be performed because it would result in overflow of the sequence number."
    ServerBusy 503 "The server is currently unable to receive requests. Please retry your request."
    SnapshotCountExceeded 409 "The snapshot count against this blob has been exceeded."
    SnapshotOperationRateExceeded 409 "The rate of snapshot operations against this blob has been exceeded."
    SnapshotsPresent 409 "This operation is not permitted while the blob has snapshots."
    SourceConditionNotMet 412 "The source condition specified using HTTP conditional header(s) is not met."
    SystemInUse 409 "This blob is in use by the system."
    TableAlreadyExists 409 "The table specified already exists."
    TableBeingDeleted 409 "The specified table is being deleted."
    TableNotFound 404 "The table specified does not exist."
    TagsTooLarge 400 "The tags specified exceed the maximum permissible limit."
    TargetConditionNotMet 412 "The target condition specified using HTTP conditional header(s) is not met."
    TooManyProperties 400 "The entity contains more properties than allowed. Each entity can include up to 252 properties to store data. Each entity also has 3 system properties."
    UnauthorizedBlobOverwrite 403 "This request is not authorized to perform blob overwrites."
    UnsatisfiableCondition 400 "The request includes an unsatisfiable condition for this operation."
    UnsupportedHeader 400 "One of the HTTP headers specified in the request is not supported."
    UnsupportedHttpVerb 405 "The resource doesn't support the specified HTTP verb."
    UnsupportedQueryParameter 400 "One of the query parameters specified in the request URI is not supported."
    UnsupportedXmlNode 400 "One of the XML nodes specified in the request body is not supported."
    UpdateConditionNotSatisfied 412 "The update condition specified in the request was not satisfied."
    XMethodIncorrectCount 400 "More than one X-HTTP-Method is specified."
    XMethodIncorrectValue 400 "The specified X-HTTP-Method is invalid."
    XMethodNotUsingPost 400 "The request uses X-HTTP-Method with an HTTP verb other than POST."
}

/// A request that is refused: an error code with what is particular to this case.
///
/// One type leaves every step of a request's handling and is rendered once, at the end.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    code: ErrorCode,
    status: Option<u16>,
    message: Option<Cow<'static, str>>,
    details: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    cause: Option<String>,
}

impl Refusal {
    /// A refusal with the code's own status and message.
    pub fn new(code: ErrorCode) -> Self {
        Self(Box::new(Inner {
            code,
            status: None,
            message: None,
            details: Vec::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// Replaces the status: some codes come with more than one.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Replaces the message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    /// Adds a child element to the error body, for instance `HeaderName`.
    #[must_use]
    pub fn with_detail(mut self, element: &'static str, text: impl Into<String>) -> Self {
        self.0.details.push((element, text.into()));
        self
    }

    /// Adds a response header, for instance `Content-Range` on 416. The name is lower case.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// Adds what the operator may read in the log and the client may not.
    #[must_use]
    pub fn with_cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// `InvalidHeaderValue` naming the header and its value.
    pub fn header_value(name: &str, value: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidHeaderValue)
            .with_detail("HeaderName", name)
            .with_detail("HeaderValue", value)
    }

    /// `InvalidQueryParameterValue` naming the parameter, its value and the reason.
    pub fn query_value(name: &str, value: impl Into<String>, reason: &str) -> Self {
        Self::new(ErrorCode::InvalidQueryParameterValue)
            .with_detail("QueryParameterName", name)
            .with_detail("QueryParameterValue", value)
            .with_detail("Reason", reason)
    }

    /// `MissingRequiredHeader` naming the header.
    pub fn missing_header(name: &str) -> Self {
        Self::new(ErrorCode::MissingRequiredHeader).with_detail("HeaderName", name)
    }

    /// The error code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status.unwrap_or(self.0.code.status())
    }

    /// The message, without the request id and time that rendering adds.
    pub fn message(&self) -> &str {
        self.0.message.as_deref().unwrap_or(self.0.code.message())
    }

    /// Further elements of the body, in order.
    pub fn details(&self) -> &[(&'static str, String)] {
        &self.0.details
    }

    /// Further response headers.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.0.headers
    }

    /// What only the operator may read.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.status(), self.0.code.name(), self.0.details)?;
        self.0.cause.as_ref().map_or(Ok(()), |cause| write!(f, " ({cause})"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.name(), self.message())
    }
}

impl std::error::Error for Refusal {}
