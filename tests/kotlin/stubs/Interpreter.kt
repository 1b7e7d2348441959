// A stand-in for org.tensorflow.lite.Interpreter, as far as it is used.
package org.tensorflow.lite

import fake.Fake
import java.nio.ByteBuffer
import java.nio.ByteOrder

class Interpreter(model: ByteBuffer, options: Options) : AutoCloseable {
    init {
        require(model.isDirect && model.order() == ByteOrder.nativeOrder())
        require(model.position() == 0)
    }

    class Options {
        fun setNumThreads(number: Int): Options = this
    }

    fun runSignature(inputs: Map<String, Any>, outputs: Map<String, Any>, signature: String?) {
        val filled = outputs.mapValues { FloatArray(checked(it.value).remaining() / 4) }
        Fake.run(signature!!, inputs.mapValues { numbers(it.key, checked(it.value)) }, filled)
        // As the real one does: results are put at the position, which moves on.
        for ((name, values) in filled) values.forEach { (outputs.getValue(name) as ByteBuffer).putFloat(it) }
    }

    override fun close() {
        Fake.closed++
    }

    private fun checked(buffer: Any): ByteBuffer {
        buffer as ByteBuffer
        require(buffer.isDirect && buffer.order() == ByteOrder.nativeOrder())
        require(buffer.position() == 0) { "buffer is not rewound" }
        return buffer
    }

    private fun numbers(name: String, buffer: ByteBuffer): DoubleArray =
        when (name) {
            "faces", "face" -> DoubleArray(buffer.capacity()) { (buffer[it].toInt() and 255).toDouble() }
            "waveform_samples" -> doubleArrayOf(buffer.getInt(0).toDouble())
            else -> DoubleArray(buffer.capacity() / 4) { buffer.getFloat(4 * it).toDouble() }
        }
}
