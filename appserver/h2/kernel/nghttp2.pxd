# Declarations of libnghttp2 that the kernel uses, in the order of nghttp2.h. 1.52 to 1.70.
# The ssize_t API is deprecated since 1.60 but it is what both ends of that range have.

from libc.stdint cimport int32_t, uint8_t, uint32_t

cdef extern from "nghttp2/nghttp2.h":
    ctypedef struct nghttp2_session:
        pass
    ctypedef struct nghttp2_session_callbacks:
        pass
    ctypedef struct nghttp2_option:
        pass
    ctypedef struct nghttp2_rcbuf:
        pass

    ctypedef struct nghttp2_info:
        int version_num
        const char *version_str

    ctypedef struct nghttp2_vec:
        uint8_t *base
        size_t len

    ctypedef struct nghttp2_nv:
        uint8_t *name
        uint8_t *value
        size_t namelen
        size_t valuelen
        uint8_t flags

    ctypedef struct nghttp2_frame_hd:
        size_t length
        int32_t stream_id
        uint8_t type
        uint8_t flags

    ctypedef struct nghttp2_priority_spec:
        int32_t stream_id
        int32_t weight

    ctypedef struct nghttp2_headers:
        nghttp2_frame_hd hd
        nghttp2_priority_spec pri_spec
        int cat

    ctypedef struct nghttp2_data:
        nghttp2_frame_hd hd
        size_t padlen

    ctypedef struct nghttp2_ping:
        nghttp2_frame_hd hd
        uint8_t opaque_data[8]

    ctypedef struct nghttp2_goaway:
        nghttp2_frame_hd hd
        int32_t last_stream_id
        uint32_t error_code

    ctypedef union nghttp2_frame:
        nghttp2_frame_hd hd
        nghttp2_headers headers
        nghttp2_data data
        nghttp2_ping ping
        nghttp2_goaway goaway

    ctypedef union nghttp2_data_source:
        int fd
        void *ptr

    ctypedef struct nghttp2_settings_entry:
        int32_t settings_id
        uint32_t value

    int NGHTTP2_ERR_PAUSE
    int NGHTTP2_ERR_DEFERRED
    int NGHTTP2_ERR_CALLBACK_FAILURE
    int NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
    int NGHTTP2_ERR_FRAME_SIZE_ERROR
    int NGHTTP2_ERR_NOMEM
    int NGHTTP2_ERR_BAD_CLIENT_MAGIC

    int NGHTTP2_DATA
    int NGHTTP2_HEADERS
    int NGHTTP2_PRIORITY
    int NGHTTP2_RST_STREAM
    int NGHTTP2_SETTINGS
    int NGHTTP2_PING
    int NGHTTP2_GOAWAY
    int NGHTTP2_CONTINUATION
    int NGHTTP2_PRIORITY_UPDATE
    int NGHTTP2_HCAT_REQUEST
    int NGHTTP2_FLAG_END_STREAM
    int NGHTTP2_FLAG_PADDED
    int NGHTTP2_FLAG_PRIORITY
    int NGHTTP2_FLAG_ACK
    int NGHTTP2_FLAG_NONE
    int NGHTTP2_NV_FLAG_NONE
    int NGHTTP2_NV_FLAG_NO_INDEX
    int NGHTTP2_NV_FLAG_NO_COPY_NAME
    int NGHTTP2_NV_FLAG_NO_COPY_VALUE
    int NGHTTP2_DATA_FLAG_EOF
    int NGHTTP2_DATA_FLAG_NO_END_STREAM
    int NGHTTP2_DATA_FLAG_NO_COPY
    int NGHTTP2_SETTINGS_HEADER_TABLE_SIZE
    int NGHTTP2_SETTINGS_ENABLE_PUSH
    int NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
    int NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE
    int NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE
    int NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES

    nghttp2_info *nghttp2_version_info "nghttp2_version"(int least_version)
    const char *nghttp2_strerror(int lib_error_code)
    const char *nghttp2_http2_strerror(uint32_t error_code)

    void nghttp2_rcbuf_incref(nghttp2_rcbuf *rcbuf)
    void nghttp2_rcbuf_decref(nghttp2_rcbuf *rcbuf)
    nghttp2_vec nghttp2_rcbuf_get_buf(nghttp2_rcbuf *rcbuf)

    int nghttp2_option_new(nghttp2_option **option)
    void nghttp2_option_del(nghttp2_option *option)
    void nghttp2_option_set_no_auto_window_update(nghttp2_option *option, int val)
    void nghttp2_option_set_no_http_messaging(nghttp2_option *option, int val)
    void nghttp2_option_set_no_closed_streams(nghttp2_option *option, int val)
    void nghttp2_option_set_max_send_header_block_length(nghttp2_option *option, size_t val)

    int nghttp2_session_callbacks_new(nghttp2_session_callbacks **callbacks)
    int nghttp2_session_server_new2(nghttp2_session **session, const nghttp2_session_callbacks *callbacks,
                                    void *user_data, const nghttp2_option *option)
    int nghttp2_session_upgrade2(nghttp2_session *session, const uint8_t *settings_payload, size_t settings_payloadlen,
                                 int head_request, void *stream_user_data)
    void nghttp2_session_del(nghttp2_session *session)

    ssize_t nghttp2_session_mem_recv(nghttp2_session *session, const uint8_t *data, size_t size)
    ssize_t nghttp2_session_mem_send(nghttp2_session *session, const uint8_t **data)
    int nghttp2_session_want_read(nghttp2_session *session)
    int nghttp2_session_want_write(nghttp2_session *session)
    int nghttp2_session_resume_data(nghttp2_session *session, int32_t stream_id)
    int32_t nghttp2_session_get_stream_remote_window_size(nghttp2_session *session, int32_t stream_id)
    int nghttp2_session_consume(nghttp2_session *session, int32_t stream_id, size_t size)
    int nghttp2_session_consume_connection(nghttp2_session *session, size_t size)
    int nghttp2_session_consume_stream(nghttp2_session *session, int32_t stream_id, size_t size)
    int nghttp2_session_set_local_window_size(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                                              int32_t window_size)
    int nghttp2_session_set_stream_user_data(nghttp2_session *session, int32_t stream_id, void *data)
    void *nghttp2_session_get_stream_user_data(nghttp2_session *session, int32_t stream_id)
    int nghttp2_session_terminate_session2(nghttp2_session *session, int32_t last_stream_id, uint32_t error_code)
    int32_t nghttp2_session_get_last_proc_stream_id(nghttp2_session *session)

    int nghttp2_submit_settings(nghttp2_session *session, uint8_t flags, const nghttp2_settings_entry *iv, size_t niv)
    int nghttp2_submit_rst_stream(nghttp2_session *session, uint8_t flags, int32_t stream_id, uint32_t error_code)
    int nghttp2_submit_ping(nghttp2_session *session, uint8_t flags, const uint8_t *opaque_data)
    int nghttp2_submit_shutdown_notice(nghttp2_session *session)
    int nghttp2_submit_goaway(nghttp2_session *session, uint8_t flags, int32_t last_stream_id, uint32_t error_code,
                              const uint8_t *opaque_data, size_t opaque_data_len)
    ctypedef struct nghttp2_extpri:
        uint32_t urgency
        int inc

    int nghttp2_session_change_extpri_stream_priority(nghttp2_session *session, int32_t stream_id,
                                                      const nghttp2_extpri *extpri, int ignore_client_signal)
    int32_t nghttp2_submit_headers(nghttp2_session *session, uint8_t flags, int32_t stream_id, const void *pri_spec,
                                   const nghttp2_nv *nva, size_t nvlen, void *stream_user_data)
    int nghttp2_submit_trailer(nghttp2_session *session, int32_t stream_id, const nghttp2_nv *nva, size_t nvlen)

# Callback types stand outside the block above: they call Python, so they hold the GIL and are noexcept.
ctypedef ssize_t (*read_data_t)(nghttp2_session *, int32_t, uint8_t *, size_t, uint32_t *, nghttp2_data_source *,
                                void *) noexcept
ctypedef ssize_t (*read_length_t)(nghttp2_session *, uint8_t, int32_t, int32_t, int32_t, uint32_t, void *) noexcept
ctypedef int (*send_data_t)(nghttp2_session *, nghttp2_frame *, const uint8_t *, size_t, nghttp2_data_source *,
                            void *) noexcept
ctypedef int (*on_frame_hd_t)(nghttp2_session *, const nghttp2_frame_hd *, void *) noexcept
ctypedef int (*on_frame_t)(nghttp2_session *, const nghttp2_frame *, void *) noexcept
ctypedef int (*on_not_sent_t)(nghttp2_session *, const nghttp2_frame *, int, void *) noexcept
ctypedef int (*on_header_t)(nghttp2_session *, const nghttp2_frame *, nghttp2_rcbuf *, nghttp2_rcbuf *, uint8_t,
                            void *) noexcept
ctypedef int (*on_chunk_t)(nghttp2_session *, uint8_t, int32_t, const uint8_t *, size_t, void *) noexcept
ctypedef int (*on_close_t)(nghttp2_session *, int32_t, uint32_t, void *) noexcept

cdef extern from "nghttp2/nghttp2.h":
    ctypedef struct nghttp2_data_provider:
        nghttp2_data_source source
        read_data_t read_callback

    int nghttp2_submit_response(nghttp2_session *session, int32_t stream_id, const nghttp2_nv *nva, size_t nvlen,
                                const nghttp2_data_provider *data_prd)
    void nghttp2_session_callbacks_set_on_begin_frame_callback(nghttp2_session_callbacks *cbs, on_frame_hd_t cb)
    void nghttp2_session_callbacks_set_on_begin_headers_callback(nghttp2_session_callbacks *cbs, on_frame_t cb)
    void nghttp2_session_callbacks_set_on_header_callback2(nghttp2_session_callbacks *cbs, on_header_t cb)
    void nghttp2_session_callbacks_set_on_frame_recv_callback(nghttp2_session_callbacks *cbs, on_frame_t cb)
    void nghttp2_session_callbacks_set_on_data_chunk_recv_callback(nghttp2_session_callbacks *cbs, on_chunk_t cb)
    void nghttp2_session_callbacks_set_on_frame_send_callback(nghttp2_session_callbacks *cbs, on_frame_t cb)
    void nghttp2_session_callbacks_set_on_frame_not_send_callback(nghttp2_session_callbacks *cbs, on_not_sent_t cb)
    void nghttp2_session_callbacks_set_on_stream_close_callback(nghttp2_session_callbacks *cbs, on_close_t cb)
    void nghttp2_session_callbacks_set_data_source_read_length_callback(nghttp2_session_callbacks *cbs,
                                                                        read_length_t cb)
    void nghttp2_session_callbacks_set_send_data_callback(nghttp2_session_callbacks *cbs, send_data_t cb)
