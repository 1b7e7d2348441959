// What the stubs compute instead of a network: sums that depend on every input and its name.
package fake

import emotionnet.OUTPUTS

object Fake {
    var buffersMade = 0
    var closed = 0
    val calls = ArrayList<String>()

    private val inputs =
        mapOf(
            "classify" to setOf("faces", "frame_mask", "waveform", "waveform_samples"),
            "encode_face" to setOf("face"),
            "encode_speech" to setOf("waveform", "waveform_samples"),
            "fuse" to setOf("embeddings", "frame_mask", "speech_logits", "waveform_samples"),
        )

    /** [values] by name as numbers; bytes count as unsigned. Fills [outputs]. */
    fun run(signature: String, values: Map<String, DoubleArray>, outputs: Map<String, FloatArray>) {
        check(values.keys == inputs.getValue(signature)) { "$signature: inputs ${values.keys}" }
        val logits = OUTPUTS.getValue("encode_speech").getValue("speech_logits")
        check((values["speech_logits"]?.size ?: logits) == logits) { "speech_logits: not $logits" }
        calls.add(signature)
        var sum = signature.length.toDouble()
        for ((name, numbers) in values.toSortedMap()) {
            numbers.forEachIndexed { i, x -> sum += x * (1 + i % 7) * name.length }
        }
        for ((name, target) in outputs) {
            for (i in target.indices) target[i] = ((sum + name.length + i) % 1000).toFloat()
        }
    }
}
